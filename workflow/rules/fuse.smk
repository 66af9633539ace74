# Late fusion of all sources into the result.
# INPUTS   results/<set>/<run>/<source>/scores.h5 of its sources;
#          results/<set>/<split>/idt/scores.h5 or given.h5 where trajectories are enabled; the
#          records of all that led to them
# OUTPUTS  results/<set>/<run>/acc.json, acc.png


rule fuse:
    input:
        scores=FILES.scores_of_run("h5"),
        idt=FILES.idt_scores("h5"),
        contents=FILES.scores_of_run(CONTENT),
        idt_contents=FILES.idt_scores(CONTENT),
        index=FILES.of_set("index.content.json"),
        train=FILES.of_split("train.csv"),
        test=FILES.of_split("test.csv"),
        # What a result rests on is told in its provenance, but a record made anew is no other
        # result.
        stores=ancient(FILES.listings),
        trajectory_records=ancient(FILES.trajectory_records),
        stage_records=ancient(FILES.stage_records),
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
        wanted=PARAMS.wanted,
        mem_mb=NEEDS.memory(2000),
        runtime=NEEDS.minutes(30),
        entry=NEEDS.entry,
    params:
        settings=PARAMS.settings("seed", "fusion", subset="test"),
        code=code_id("fuse.py"),
        config=PARAMS.result,
        results="results/{set}",
    shell:
        'python "$SCRIPTS"/fuse.py'
        " --set {wildcards.set}"
        " --run {wildcards.run}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --config {params.config:q}"
        " --entry {resources.entry:q}"
        " --results {params.results:q}"
        " --train {input.train:q}"
        " --test {input.test:q}"
        " --records {input.stage_records:q}"
        " --scores {input.scores:q}"
        " --idt {input.idt:q}"
        " --json {output.json:q}"
        " --png {output.png:q}"
        " 2>&1 | tee {log:q}"
