# Every clip decoded once, before anything long starts: frames counted, broken files named.
# INPUTS   the videos of a set and its split lists
# OUTPUTS  results/<set>/index/<shard>.csv: what was found in each clip of a shard
#          results/<set>/index.csv: the clips of the set for people, one row each; refused when any clip is broken
#          results/<set>/<split>/train.csv, test.csv: the clips that a split trains and tests on, for the programs
#
# No long job depends on the whole index, since one changed video must not recompute the flow of all. (An ancient() index
# would do that, but Snakemake then overlooks other changes of the jobs behind it.) Examining and indexing go first by
# their priority instead, and take all cores, so that nothing else starts before them.


rule examine:
    input:
        videos=videos_of_shard,
    output:
        "results/{set}/index/{shard}.csv",
    log:
        "results/{set}/logs/examine/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/examine/{shard}.tsv"
    priority: 100
    conda:
        "../../envs/video.yaml"
    threads: all_cores
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        settings=reads_entry(
            "format",
            "videos",
            "lists",
            "group",
            "shards",
            "groups",
            "clips",
            shard=True,
        ),
        code=code_id("examine.py"),
    shell:
        'python "$SCRIPTS"/examine.py --set {wildcards.set} --shard {wildcards.shard} --settings {params.settings:q}'
        " --code {params.code} --workers {threads} --out {output:q} 2>&1 | tee {log:q}"


rule index:
    input:
        shard_files("results/{set}/index/{shard}.csv"),
    output:
        index="results/{set}/index.csv",
        record="results/{set}/index.json",
    log:
        "results/{set}/logs/index.log",
    benchmark:
        "results/{set}/benchmarks/index.tsv"
    priority: 90
    conda:
        "../../envs/video.yaml"
    threads: all_cores
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=reads_entry(lists=True),
        code=code_id("index.py"),
    shell:
        'python "$SCRIPTS"/index.py --set {wildcards.set} --settings {params.settings:q} --code {params.code}'
        " --examined {input:q} --index {output.index:q} --record {output.record:q} 2>&1 | tee {log:q}"


rule part:
    input:
        examined_of_part,
    output:
        "results/{set}/{split}/{part}.csv",
    log:
        "results/{set}/logs/{split}/{part}.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{part}.tsv"
    conda:
        "../../envs/video.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=reads_entry(
            "format",
            "videos",
            "lists",
            "group",
            "shards",
            "groups",
            "clips",
            part=True,
        ),
        code=code_id("part.py"),
    shell:
        'python "$SCRIPTS"/part.py --set {wildcards.set} --split {wildcards.split} --part {wildcards.part}'
        " --settings {params.settings:q} --code {params.code} --examined {input:q} --out {output:q} 2>&1 | tee {log:q}"
