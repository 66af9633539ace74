# Late fusion of all sources into the result.
# INPUTS   results/<set>/<split>/<source>/scores.h5 of the four sources, results/<set>/<split>/idt/scores.h5 or given.h5
#          where trajectories are enabled, and the record of all that led to them
# OUTPUTS  results/<set>/<split>/acc.json, acc.png


rule fuse:
    input:
        scores=expand("results/{{set}}/{{split}}/{source}/scores.h5", source=SOURCES),
        idt=idt_scores("h5"),
        index_record="results/{set}/index.json",
        records=records_of_split,
    output:
        json="results/{set}/{split}/acc.json",
        png="results/{set}/{split}/acc.png",
    log:
        "results/{set}/logs/{split}/fuse.log",
    benchmark:
        "results/{set}/benchmarks/{split}/fuse.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=reads("seed", "fusion", part="test"),
        config=reads_all,
        code=code_id("fuse.py"),
    shell:
        'python "$SCRIPTS"/fuse.py --set {wildcards.set} --split {wildcards.split} --settings {params.settings:q}'
        " --code {params.code} --config {params.config:q} --records {input.index_record:q} {input.records:q}"
        " --scores {input.scores:q} --idt {input.idt:q} --json {output.json:q} --png {output.png:q} 2>&1 | tee {log:q}"
