# One direction's asynchronous fusion network, with both streams' coarse-to-fine networks, trained
# by Eq. 6; or alone on their features, by Eq. 5. A direction <one>-to-<other> fuses a single
# instant of the stream <one> with a sequence of five of the stream <other>.
# INPUTS   results/<set>/<split>/train.csv; results/<set>/{frames,flow}/*.h5 with training clips of
#          the split; of both streams co2fi.pt, and groups.h5 where they are CO2FI and learn, or
#          features.h5 where they do not learn
# OUTPUTS  results/<set>/<run>/<direction>/asyn.pt


rule asyn:
    input:
        clips=FILES.of_split("train.csv"),
        frames=FILES.listing("train", "appearance"),
        flow=FILES.listing("train", "motion"),
        groups_single=ancient(FILES.groups("h5", 0)),
        groups_single_content=FILES.groups(CONTENT, 0),
        groups_sequence=ancient(FILES.groups("h5", 1)),
        groups_sequence_content=FILES.groups(CONTENT, 1),
        co2fi=ancient(FILES.stream_networks("pt")),
        co2fi_contents=FILES.stream_networks(CONTENT),
        features=ancient(FILES.features("h5")),
        features_contents=FILES.features(CONTENT),
    output:
        model="results/{set}/{run}/{direction}/asyn.pt",
        history="results/{set}/{run}/{direction}/asyn.history.jsonl",
        record="results/{set}/{run}/{direction}/asyn.json",
        content="results/{set}/{run}/{direction}/asyn.content.json",
    log:
        "results/{set}/logs/{run}/{direction}/asyn.log",
    benchmark:
        "results/{set}/benchmarks/{run}/{direction}/asyn.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.training_cores
    resources:
        wanted=PARAMS.wanted,
        gpu=NEEDS.asked(NEEDS.training_gpus),
        gres=NEEDS.gres(NEEDS.training_gpus),
        mem_mb=NEEDS.training_memory(32000),
        runtime=NEEDS.minutes(1440),
        launcher=NEEDS.launcher,
        flags=NEEDS.training_flags,
        weights=NEEDS.weights,
    params:
        settings=PARAMS.settings(
            "seed",
            "stack",
            "crops",
            "granularities",
            "groups",
            "network",
            "teacher.backbone",
            "teacher.batch_norm",
            "teacher.weights",
            "teacher.width",
            "teacher.dropout",
            "fusion_network",
            "period.delta",
            "period.instants",
            "loss",
            "asyn",
            *NUMERIC,
            subset="train",
        ),
        code=code_id("asyn.py"),
        split=split_of,
        shards_single=PARAMS.single_store,
        shards_sequence=PARAMS.sequence_store,
        checkpoints="results/{set}/{run}/{direction}/.checkpoints/asyn",
    shell:
        '{resources.launcher} "$SCRIPTS"/asyn.py'
        " --set {wildcards.set}"
        " --split {params.split}"
        " --direction {wildcards.direction}"
        " {resources.flags}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --clips {input.clips:q}"
        " --shards-single {params.shards_single:q}"
        " --groups-single {input.groups_single:q}"
        " --shards-sequence {params.shards_sequence:q}"
        " --groups-sequence {input.groups_sequence:q}"
        " --co2fi {input.co2fi:q}"
        " --features {input.features:q}"
        " --weights {resources.weights:q}"
        " --checkpoints {params.checkpoints:q}"
        " --model {output.model:q}"
        " --history {output.history:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
