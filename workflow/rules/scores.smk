# Scores of a split's test clips: logits at every test instant, by the CO2FI of a run's streams and
# the ASYN of its directions. One job scores a run, so that it reads each clip once. There is a rule
# for each kind of run, as a rule has a fixed number of outputs.
# INPUTS   results/<set>/<split>/test.csv; results/<set>/{frames,flow}/*.h5 with test clips of the
#          split; of each source its co2fi.pt or asyn.pt
# OUTPUTS  results/<set>/<run>/<source>/scores.h5 of each source


for kind, sources, runs in FILES.scoring_rules():

    rule:
        name:
            kind
        input:
            clips=FILES.of_split("test.csv"),
            frames=FILES.listing("test", "appearance"),
            flow=FILES.listing("test", "motion"),
            models=ancient(FILES.networks_of_run("pt")),
            models_contents=FILES.networks_of_run(CONTENT),
        output:
            h5=expand("results/{{set}}/{{run}}/{source}/scores.h5", source=sources),
            record=expand(
                "results/{{set}}/{{run}}/{source}/scores.json", source=sources
            ),
            content=expand(
                "results/{{set}}/{{run}}/{source}/scores.content.json", source=sources
            ),
        log:
            "results/{set}/logs/{run}/scores.log",
        benchmark:
            "results/{set}/benchmarks/{run}/scores.tsv"
        wildcard_constraints:
            run=runs,
        conda:
            "../../envs/train.yaml"
        threads: NEEDS.reading_cores
        resources:
            wanted=PARAMS.wanted,
            gpu=NEEDS.asked(NEEDS.gpu),
            gres=NEEDS.gres(NEEDS.gpu),
            mem_mb=NEEDS.memory(16000),
            runtime=NEEDS.minutes(1440),
            flags=NEEDS.network_flags,
        params:
            settings=PARAMS.settings(
                "stack",
                "crops",
                "granularities",
                "network",
                "teacher.backbone",
                "teacher.batch_norm",
                "teacher.weights",
                "teacher.width",
                "teacher.dropout",
                "fusion_network",
                "period",
                "scores",
                "compute.threads",
                subset="test",
            ),
            code=code_id("scores.py"),
            split=split_of,
            sources=sources,
            frames="results/{set}/frames",
            flow="results/{set}/flow",
        shell:
            'python "$SCRIPTS"/scores.py'
            " --set {wildcards.set}"
            " --split {params.split}"
            " --sources {params.sources}"
            " {resources.flags}"
            " --settings {params.settings:q}"
            " --wanted {resources.wanted:q}"
            " --code {params.code}"
            " --clips {input.clips:q}"
            " --frames {params.frames:q}"
            " --flow {params.flow:q}"
            " --models {input.models:q}"
            " --out {output.h5:q}"
            " --record {output.record:q}"
            " 2>&1 | tee {log:q}"
