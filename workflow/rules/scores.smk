# Scores of a split's test clips: logits at every test instant, by a stream's CO2FI or a direction's ASYN.
# INPUTS   results/<set>/<split>/test.csv, results/<set>/{frames,flow}/*.h5 with test clips of the split, co2fi.pt or asyn.pt of the source
# OUTPUTS  results/<set>/<run>/<source>/scores.h5


rule scores:
    input:
        clips=of_split("test.csv"),
        frames=ancient(store_files("test", "h5", "frames")),
        frames_records=store_files("test", "json", "frames"),
        flow=ancient(store_files("test", "h5", "flow")),
        flow_records=store_files("test", "json", "flow"),
        model=ancient(model_of_source("pt")),
        model_record=model_of_source("json"),
    output:
        h5="results/{set}/{run}/{source}/scores.h5",
        record="results/{set}/{run}/{source}/scores.json",
    log:
        "results/{set}/logs/{run}/{source}/scores.log",
    benchmark:
        "results/{set}/benchmarks/{run}/{source}/scores.tsv"
    conda:
        "../../envs/train.yaml"
    threads: compute_threads
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=720,
    params:
        settings=reads(
            "stack",
            "crops",
            "granularities",
            "network",
            "teacher.width",
            "teacher.dropout",
            "fusion_network",
            "period",
            "scores",
            "compute.threads",
            part="test",
        ),
        split=split_of,
        code=code_id("scores.py"),
    shell:
        'python "$SCRIPTS"/scores.py --set {wildcards.set} --split {params.split} --source {wildcards.source}'
        " --settings {params.settings:q} --code {params.code} --clips {input.clips:q}"
        " --frames results/{wildcards.set}/frames --flow results/{wildcards.set}/flow"
        " --model {input.model:q} --out {output.h5:q} --record {output.record:q} 2>&1 | tee {log:q}"
