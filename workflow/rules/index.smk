# Every clip decoded once, before anything long starts: frames counted, broken files named.
# INPUTS   the videos of a set and its split lists
# OUTPUTS  results/<set>/index/<shard>.csv, results/<set>/index.csv: one row a clip


rule examine:
    input:
        videos=videos_of_shard,
    output:
        "results/{set}/index/{shard}.csv",
    log:
        "results/{set}/logs/examine/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/examine/{shard}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        settings=reads_entry("format", "videos", "lists", "group", "shards", "groups", "clips", shard=True),
        code=code_id("examine.py"),
        program=program("examine.py"),
    conda:
        "../../envs/video.yaml"
    shell:
        "{params.program} --set {wildcards.set} --shard {wildcards.shard} --settings {params.settings:q}"
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
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=reads_entry(lists=True),
        code=code_id("index.py"),
        program=program("index.py"),
    conda:
        "../../envs/video.yaml"
    shell:
        "{params.program} --set {wildcards.set} --settings {params.settings:q} --code {params.code}"
        " --examined {input:q} --index {output.index:q} --record {output.record:q} 2>&1 | tee {log:q}"
