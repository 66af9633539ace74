# Improved dense trajectories: scores of their Fisher vectors, beside those of the networks.
# INPUTS   results/<set>/index/<shard>.csv and the videos that it names;
#          results/<set>/<split>/train.csv and test.csv; or a file of scores from elsewhere,
#          idt.scores
# OUTPUTS  results/<set>/idt/<shard>.h5: a sample of each clip's trajectories, from a window of it
#          results/<set>/<split>/idt/codebook.h5: PCA and mixtures, of the training clips' samples
#          results/<set>/<split>/idt/fisher/<shard>.h5: Fisher vectors, one per clip
#          results/<set>/<split>/idt/svm.h5, scores.h5; given.h5 of scores from elsewhere
#
# Trajectories are extracted twice, from a window for the codebook and then whole, since a clip has
# some 25,000 of them, 45 MB, and none is kept. Each split has its own codebook, of its training
# clips, and so its own vectors of all clips.


rule idt_sample:
    input:
        clips="results/{set}/index/{shard}.csv",
    output:
        h5="results/{set}/idt/{shard}.h5",
        record="results/{set}/idt/{shard}.json",
        content="results/{set}/idt/{shard}.content.json",
    log:
        "results/{set}/logs/idt/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/idt/{shard}.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 1
    resources:
        mem_mb=NEEDS.memory(1500),
        runtime=NEEDS.minutes(720),
        videos=NEEDS.video_folder,
        on_bad_clip=NEEDS.on_bad_clip,
    params:
        settings=PARAMS.settings(
            "decode", "seed", "idt.window", "idt.samples_per_clip", shard=True
        ),
        code=code_id("idt_sample.py"),
    shell:
        'python "$SCRIPTS"/idt_sample.py'
        " --clips {input.clips:q}"
        " --videos {resources.videos:q}"
        " --on-bad-clip {resources.on_bad_clip}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"


rule idt_codebook:
    input:
        clips="results/{set}/{split}/train.csv",
        samples=ancient(FILES.subset_shards("results/{set}/idt/{shard}.h5", "train")),
        contents=FILES.subset_shards("results/{set}/idt/{shard}.content.json", "train"),
    output:
        h5="results/{set}/{split}/idt/codebook.h5",
        record="results/{set}/{split}/idt/codebook.json",
        content="results/{set}/{split}/idt/codebook.content.json",
    log:
        "results/{set}/logs/{split}/idt/codebook.log",
    benchmark:
        "results/{set}/benchmarks/{split}/idt/codebook.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.compute_threads
    resources:
        wanted=PARAMS.wanted,
        mem_mb=NEEDS.memory(4000),
        runtime=NEEDS.minutes(240),
    params:
        settings=PARAMS.settings(
            "seed",
            "idt.samples",
            "idt.draw",
            "idt.components",
            "compute.threads",
            subset="train",
        ),
        code=code_id("idt_codebook.py"),
        samples="results/{set}/idt",
    shell:
        'python "$SCRIPTS"/idt_codebook.py'
        " --split {wildcards.split}"
        " --clips {input.clips:q}"
        " --samples {params.samples:q}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"


rule idt_fisher:
    input:
        clips="results/{set}/index/{shard}.csv",
        codebook=ancient("results/{set}/{split}/idt/codebook.h5"),
        codebook_content="results/{set}/{split}/idt/codebook.content.json",
    output:
        h5="results/{set}/{split}/idt/fisher/{shard}.h5",
        record="results/{set}/{split}/idt/fisher/{shard}.json",
        content="results/{set}/{split}/idt/fisher/{shard}.content.json",
    log:
        "results/{set}/logs/{split}/idt/fisher/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/{split}/idt/fisher/{shard}.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 1
    resources:
        wanted=PARAMS.wanted,
        mem_mb=NEEDS.memory(1500),
        runtime=NEEDS.minutes(1440),
        videos=NEEDS.video_folder,
        on_bad_clip=NEEDS.on_bad_clip,
    params:
        settings=PARAMS.settings("decode", shard=True),
        code=code_id("idt_fisher.py"),
    shell:
        'python "$SCRIPTS"/idt_fisher.py'
        " --split {wildcards.split}"
        " --clips {input.clips:q}"
        " --videos {resources.videos:q}"
        " --on-bad-clip {resources.on_bad_clip}"
        " --codebook {input.codebook:q}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"


rule idt_svm:
    input:
        clips="results/{set}/{split}/train.csv",
        vectors=ancient(
            FILES.subset_shards("results/{set}/{split}/idt/fisher/{shard}.h5", "train")
        ),
        contents=FILES.subset_shards(
            "results/{set}/{split}/idt/fisher/{shard}.content.json", "train"
        ),
    output:
        h5="results/{set}/{split}/idt/svm.h5",
        record="results/{set}/{split}/idt/svm.json",
        content="results/{set}/{split}/idt/svm.content.json",
    log:
        "results/{set}/logs/{split}/idt/svm.log",
    benchmark:
        "results/{set}/benchmarks/{split}/idt/svm.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.compute_threads
    resources:
        wanted=PARAMS.wanted,
        mem_mb=NEEDS.svm_memory,
        runtime=NEEDS.svm_minutes,
    params:
        settings=PARAMS.settings("idt.penalty", "compute.threads", subset="train"),
        code=code_id("idt_svm.py"),
        fisher="results/{set}/{split}/idt/fisher",
    shell:
        'python "$SCRIPTS"/idt_svm.py'
        " --set {wildcards.set}"
        " --split {wildcards.split}"
        " --clips {input.clips:q}"
        " --fisher {params.fisher:q}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"


rule idt_scores:
    input:
        clips="results/{set}/{split}/test.csv",
        vectors=ancient(
            FILES.subset_shards("results/{set}/{split}/idt/fisher/{shard}.h5", "test")
        ),
        contents=FILES.subset_shards(
            "results/{set}/{split}/idt/fisher/{shard}.content.json", "test"
        ),
        svm=ancient("results/{set}/{split}/idt/svm.h5"),
        svm_content="results/{set}/{split}/idt/svm.content.json",
    output:
        h5="results/{set}/{split}/idt/scores.h5",
        record="results/{set}/{split}/idt/scores.json",
        content="results/{set}/{split}/idt/scores.content.json",
    log:
        "results/{set}/logs/{split}/idt/scores.log",
    benchmark:
        "results/{set}/benchmarks/{split}/idt/scores.tsv"
    conda:
        "../../envs/video.yaml"
    resources:
        wanted=PARAMS.wanted,
        mem_mb=NEEDS.memory(1000),
        runtime=NEEDS.minutes(60),
    params:
        settings=PARAMS.settings(subset="test"),
        code=code_id("idt_scores.py"),
        fisher="results/{set}/{split}/idt/fisher",
    shell:
        'python "$SCRIPTS"/idt_scores.py'
        " --set {wildcards.set}"
        " --split {wildcards.split}"
        " --clips {input.clips:q}"
        " --fisher {params.fisher:q}"
        " --svm {input.svm:q}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"


rule idt_given:
    input:
        train="results/{set}/{split}/train.csv",
        test="results/{set}/{split}/test.csv",
    output:
        h5="results/{set}/{split}/idt/given.h5",
        record="results/{set}/{split}/idt/given.json",
        content="results/{set}/{split}/idt/given.content.json",
    log:
        "results/{set}/logs/{split}/idt/given.log",
    benchmark:
        "results/{set}/benchmarks/{split}/idt/given.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=NEEDS.memory(1000),
        runtime=NEEDS.minutes(60),
        scores=FILES.given_scores,
    params:
        settings=PARAMS.given_scores,
        code=code_id("idt_given.py"),
    shell:
        'python "$SCRIPTS"/idt_given.py'
        " --set {wildcards.set}"
        " --split {wildcards.split}"
        " --train {input.train:q}"
        " --test {input.test:q}"
        " --scores {resources.scores:q}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
