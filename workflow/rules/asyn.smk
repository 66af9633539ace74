# One direction's asynchronous fusion network, with both streams' coarse-to-fine networks, trained by Eq. 6;
# or alone on their features, by Eq. 5.
# A direction <one>-to-<many> fuses one instant of the stream <one> with five of the stream <many>.
# INPUTS   results/<set>/<split>/train.csv, results/<set>/{frames,flow}/*.h5 with training clips of the split,
#          and of both streams groups.h5 and co2fi.pt
# OUTPUTS  results/<set>/<run>/<direction>/asyn.pt


rule asyn:
    input:
        clips=of_split("train.csv"),
        frames=ancient(store_files("train", "h5", "frames")),
        frames_records=store_files("train", "json", "frames"),
        flow=ancient(store_files("train", "h5", "flow")),
        flow_records=store_files("train", "json", "flow"),
        groups=ancient(of_streams("groups.h5", whole_split)),
        groups_records=of_streams("groups.json", whole_split),
        co2fi=ancient(of_streams("co2fi.pt", trained_streams)),
        co2fi_records=of_streams("co2fi.json", trained_streams),
    output:
        model="results/{set}/{run}/{direction}/asyn.pt",
        history="results/{set}/{run}/{direction}/asyn.history.jsonl",
        record="results/{set}/{run}/{direction}/asyn.json",
    log:
        "results/{set}/logs/{run}/{direction}/asyn.log",
    benchmark:
        "results/{set}/benchmarks/{run}/{direction}/asyn.tsv"
    conda:
        "../../envs/train.yaml"
    threads: training_cores
    resources:
        gpu=processes,
        mem_mb=training_memory(32000),
        launcher=launcher,
        how=how,
        runtime=7200,
    params:
        settings=reads(
            "seed",
            "stack",
            "crops",
            "granularities",
            "groups",
            "network",
            "teacher.width",
            "teacher.dropout",
            "fusion_network",
            "period.delta",
            "period.instants",
            "loss",
            "asyn",
            "scores.batch",
            *NUMBERS,
            part="train",
        ),
        split=split_of,
        code=code_id("asyn.py"),
        stores=direction_stores,
        checkpoints="results/{set}/{run}/{direction}/.checkpoints/asyn",
    shell:
        '{resources.launcher} "$SCRIPTS"/asyn.py --set {wildcards.set} --split {params.split} --direction {wildcards.direction}'
        " {resources.how}"
        " --settings {params.settings:q} --code {params.code} --clips {input.clips:q}"
        " --shards-one {params.stores[0]:q} --groups-one {input.groups[0]:q}"
        " --shards-many {params.stores[1]:q} --groups-many {input.groups[1]:q} --co2fi {input.co2fi:q}"
        " --records {input.frames_records:q} {input.flow_records:q} {input.groups_records:q} {input.co2fi_records:q}"
        " --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} --history {output.history:q} --record {output.record:q} 2>&1 | tee {log:q}"
