# Late fusion of all sources into the result.
# INPUTS   results/<set>/<run>/<source>/scores.h5 of its sources, results/<set>/<split>/idt/scores.h5 or given.h5
#          where trajectories are enabled, and the record of all that led to them
# OUTPUTS  results/<set>/<run>/acc.json, acc.png


rule fuse:
    input:
        scores=scores_of_run("h5"),
        idt=idt_scores("h5"),
        index_record="results/{set}/index.json",
        records=records_of_run,
    output:
        json="results/{set}/{run}/acc.json",
        png="results/{set}/{run}/acc.png",
    log:
        "results/{set}/logs/{run}/fuse.log",
    benchmark:
        "results/{set}/benchmarks/{run}/fuse.tsv"
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
        'python "$SCRIPTS"/fuse.py --set {wildcards.set} --run {wildcards.run} --settings {params.settings:q}'
        " --code {params.code} --config {params.config:q} --records {input.index_record:q} {input.records:q}"
        " --scores {input.scores:q} --idt {input.idt:q} --json {output.json:q} --png {output.png:q} 2>&1 | tee {log:q}"
