# Every clip decoded once, before anything long starts: frames counted, broken files named.
# INPUTS   the videos of a set and its split lists
# OUTPUTS  results/<set>/index/<shard>.csv: what was found in each clip of a shard
#          results/<set>/index.csv: the clips of the set for people, one row each
#          results/<set>/<split>/train.csv, test.csv: the clips of a split, for the programs
#
# Index and tables of a split are refused when any clip is broken.
#
# Videos and lists are not inputs by their paths: which clips there are, and an identity of each
# video's content, are params (`JobParams.videos`), and where they lie is told in `resources`. So a
# moved folder reruns nothing.
#
# No long job depends on the whole index, since one changed video must not recompute the flow of
# all. Examining and indexing go first by their priority instead, and take all cores, so that
# nothing else starts before them.


rule examine:
    input:
        rendered=FILES.rendered,
    output:
        table="results/{set}/index/{shard}.csv",
    log:
        "results/{set}/logs/examine/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/examine/{shard}.tsv"
    priority: 100
    conda:
        "../../envs/video.yaml"
    threads: NEEDS.all_cores
    resources:
        mem_mb=NEEDS.memory(1000),
        runtime=NEEDS.minutes(60),
        listing=PARAMS.listing,
        videos=NEEDS.video_folder,
    params:
        settings=PARAMS.videos,
        code=code_id("examine.py"),
    shell:
        'python "$SCRIPTS"/examine.py'
        " --listing {resources.listing:q}"
        " --videos {resources.videos:q}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --workers {threads}"
        " --out {output.table:q}"
        " 2>&1 | tee {log:q}"


rule index:
    input:
        examined=FILES.all_shards("results/{set}/index/{shard}.csv"),
    output:
        table="results/{set}/index.csv",
        record="results/{set}/index.json",
        content="results/{set}/index.content.json",
    log:
        "results/{set}/logs/index.log",
    benchmark:
        "results/{set}/benchmarks/index.tsv"
    # The scheduler adds up: more than that of all tables of splits that fit into the cores.
    priority: 1000
    conda:
        "../../envs/video.yaml"
    threads: NEEDS.all_cores
    resources:
        mem_mb=NEEDS.memory(1000),
        runtime=NEEDS.minutes(30),
        entry=NEEDS.entry,
        tables=NEEDS.all_shards,
    params:
        examined="results/{set}/index",
        settings=PARAMS.splits,
        code=code_id("index.py", *LISTS),
    shell:
        'python "$SCRIPTS"/index.py'
        " --set {wildcards.set}"
        " --entry {resources.entry:q}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --examined {params.examined:q}"
        " --tables {resources.tables:q}"
        " --index {output.table:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"


rule subset:
    input:
        examined=FILES.subset_shards("results/{set}/index/{shard}.csv"),
    output:
        table="results/{set}/{split}/{subset}.csv",
    log:
        "results/{set}/logs/{split}/{subset}.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{subset}.tsv"
    priority: 1
    conda:
        "../../envs/video.yaml"
    resources:
        mem_mb=NEEDS.memory(1000),
        runtime=NEEDS.minutes(30),
        entry=NEEDS.entry,
        tables=NEEDS.subset_shards,
    params:
        examined="results/{set}/index",
        settings=PARAMS.subset,
        code=code_id("subset.py", *LISTS),
    shell:
        'python "$SCRIPTS"/subset.py'
        " --set {wildcards.set}"
        " --split {wildcards.split}"
        " --subset {wildcards.subset}"
        " --entry {resources.entry:q}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --examined {params.examined:q}"
        " --tables {resources.tables:q}"
        " --out {output.table:q}"
        " 2>&1 | tee {log:q}"
