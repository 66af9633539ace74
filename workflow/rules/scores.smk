# Scores of a split's test clips: logits at every test instant, by the CO2FI of a run's streams and the ASYN of its directions.
# One job scores a run, so that it reads each clip once; a rule for each kind of run, as outputs are fixed by the rule.
# INPUTS   results/<set>/<split>/test.csv, results/<set>/{frames,flow}/*.h5 with test clips of the split, of each source
#          its co2fi.pt or asyn.pt
# OUTPUTS  results/<set>/<run>/<source>/scores.h5 of each source


for kind, sources, runs in kinds_of_runs():

    rule:
        name:
            kind
        input:
            clips=of_split("test.csv"),
            frames=ancient(store_files("test", "h5", "frames")),
            frames_records=store_files("test", "json", "frames"),
            flow=ancient(store_files("test", "h5", "flow")),
            flow_records=store_files("test", "json", "flow"),
            models=ancient(models_of_run("pt")),
            model_records=models_of_run("json"),
        output:
            h5=expand("results/{{set}}/{{run}}/{source}/scores.h5", source=sources),
            record=expand(
                "results/{{set}}/{{run}}/{source}/scores.json", source=sources
            ),
        log:
            "results/{set}/logs/{run}/scores.log",
        benchmark:
            "results/{set}/benchmarks/{run}/scores.tsv"
        wildcard_constraints:
            run=runs,
        conda:
            "../../envs/train.yaml"
        threads: reading_cores
        resources:
            gpu=1,
            readers=readers,
            mem_mb=16000,
            runtime=2880,
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
            sources=sources,
            code=code_id("scores.py"),
        shell:
            'python "$SCRIPTS"/scores.py --set {wildcards.set} --split {params.split} --sources {params.sources} {resources.readers}'
            " --settings {params.settings:q} --code {params.code} --clips {input.clips:q}"
            " --frames results/{wildcards.set}/frames --flow results/{wildcards.set}/flow"
            " --models {input.models:q} --out {output.h5:q} --record {output.record:q} 2>&1 | tee {log:q}"
