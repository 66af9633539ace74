"""Videos to try decoding and encoding on."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.video import ffmpeg

# ffmpeg's options for 20 frames of 64 x 96 pixels, all different.
TEST_FRAMES = ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=25:duration=0.8"]
# The size of the frames of every kind of video below, which even the codecs of telephones have.
COUNT, HEIGHT, WIDTH = 20, 144, 176


def waves(count: int, height: int, width: int) -> np.ndarray:
    """Smooth waves that drift: (count, height, width, 3) uint8.

    Each frame is 8 levels brighter in blue than the one before.
    """
    t, y, x = np.mgrid[:count, :height, :width]
    red, green = 128 + 90 * np.sin((x + 3 * t) / 17), 128 + 90 * np.cos((y + 2 * t) / 23)
    return np.stack([red, green, 40 + 8 * t], axis=-1).astype(np.uint8)


def make_video(path: Path, *options: str) -> Path:
    """Encode the 20 frames of TEST_FRAMES with options of ffmpeg's own."""
    command = [ffmpeg.executable(), "-v", "error", "-y", *TEST_FRAMES, *options, str(path)]
    subprocess.run(command, check=True)
    return path


@dataclass(frozen=True)
class Kind:
    """A healthy video of COUNT frames, encoded with ffmpeg's `options` into a file of this name.

    rate: frames per second. exact: whether decoding gives the very pixels that were encoded.
    coloured: whether it keeps the colours. since: the first ffmpeg that reads it, as (7, 0).
    """

    name: str
    options: str = ""
    rate: str = "25"
    exact: bool = False
    coloured: bool = True
    since: tuple[int, int] = (4, 1)

    def make(self, folder: Path, frames: np.ndarray) -> Path:
        """Encode `frames` (COUNT, H, W, 3) as this kind of video into a folder."""
        path, size = folder / self.name, f"{frames.shape[2]}x{frames.shape[1]}"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", self.rate, "-i", "-"]
        words = self.options.split()
        # Most codecs cannot store red, green and blue.
        if "-pix_fmt" not in words:
            words += ["-pix_fmt", "yuv420p"]
        command = [ffmpeg.executable(), "-v", "error", "-y", *source, *words, str(path)]
        subprocess.run(command, input=frames.tobytes(), check=True, stderr=subprocess.DEVNULL)
        return path


SLOW = ["1", "5", "10", "12", "15", "24000/1001", "24", "24.99"]
FAST = ["25", "30000/1001", "30", "50", "60000/1001", "120", "1000"]
RATES = [
    Kind(f"rate_{rate.replace('/', '_')}.{ending}", f"-c:v {codec} -q:v 2", rate)
    for rate in SLOW + FAST
    for ending, codec in (("mp4", "libx264"), ("avi", "mpeg4"), ("webm", "libvpx -b:v 4M"))
]
CONTAINERS = [
    Kind("h264.mkv", "-c:v libx264"),
    Kind("h264.mov", "-c:v libx264"),
    Kind("h264.flv", "-c:v libx264"),
    Kind("h264.avi", "-c:v libx264 -bf 3"),
    Kind("h264.ts", "-c:v libx264"),
    Kind("h264.m2ts", "-c:v libx264"),
    Kind("h264.nut", "-c:v libx264"),
    Kind("raw.h264", "-c:v libx264"),
    Kind("h264.m4v", "-c:v libx264 -f mp4"),
    Kind("fragments.mp4", "-c:v libx264 -g 5 -movflags frag_keyframe+empty_moov"),
    Kind("faststart.mp4", "-c:v libx264 -movflags faststart"),
    Kind("hevc.mp4", "-c:v libx265 -x265-params log-level=none"),
    Kind("raw.hevc", "-c:v libx265 -x265-params log-level=none"),
    Kind("vp9.webm", "-c:v libvpx-vp9 -cpu-used 8"),
    Kind("vp8.ivf", "-c:v libvpx"),
    Kind("av1.mkv", "-c:v libaom-av1 -cpu-used 8"),
    Kind("mpeg1.mpg", "-c:v mpeg1video"),
    Kind("mpeg2.mpg", "-c:v mpeg2video -bf 2"),
    Kind("mpeg2.ts", "-c:v mpeg2video"),
    Kind("mpeg2.vob", "-c:v mpeg2video"),
    Kind("mpeg2.mxf", "-c:v mpeg2video"),
    Kind("mpeg2.m2v", "-c:v mpeg2video"),
    Kind("mpeg4.m4v", "-c:v mpeg4 -f m4v"),
    Kind("mpeg4.mp4", "-c:v mpeg4 -bf 2"),
    Kind("b_frames.avi", "-c:v mpeg4 -bf 2"),
    Kind("h263.3gp", "-c:v h263"),
    Kind("flv1.flv", "-c:v flv1"),
    Kind("flv1.swf", "-c:v flv1"),
    Kind("wmv2.wmv", "-c:v wmv2"),
    Kind("msmpeg4.asf", "-c:v msmpeg4"),
    Kind("msmpeg4v2.avi", "-c:v msmpeg4v2"),
    Kind("theora.ogv", "-c:v libtheora"),
    Kind("rv10.rm", "-c:v rv10"),
    Kind("mjpeg.avi", "-c:v mjpeg -q:v 2"),
    Kind("mjpeg.mov", "-c:v mjpeg -q:v 2"),
    Kind("raw.mjpeg", "-c:v mjpeg -q:v 2"),
    Kind("prores.mov", "-c:v prores_ks -pix_fmt yuv422p10le"),
    Kind("cinepak.avi", "-c:v cinepak -pix_fmt rgb24"),
    Kind("svq1.mov", "-c:v svq1 -pix_fmt yuv410p"),
    Kind("snow.avi", "-c:v snow -strict -2"),
    Kind("plain.y4m"),
    Kind("plain.gif", "-pix_fmt rgb8"),
    Kind("dv.dv", "-c:v dvvideo -s 720x576 -aspect 4:3"),
    Kind("wrong_ending.mp3", "-c:v mpeg4 -f avi"),
    Kind("no_ending", "-c:v libx264 -f mp4"),
    Kind("animated.webp", "-c:v libwebp_anim -f webp", since=(8, 0)),
]
EXACT = [
    Kind("ffv1.mkv", "-c:v ffv1 -pix_fmt bgr0", exact=True),
    Kind("ffv1.avi", "-c:v ffv1 -pix_fmt gbrp", exact=True),
    Kind("ffv1.nut", "-c:v ffv1 -pix_fmt bgr0", exact=True),
    Kind("alpha.mkv", "-c:v ffv1 -pix_fmt bgra", exact=True),
    Kind("h264rgb.mp4", "-c:v libx264rgb -qp 0 -pix_fmt rgb24", exact=True),
    Kind("huffyuv.avi", "-c:v huffyuv -pix_fmt rgb24", exact=True),
    Kind("utvideo.avi", "-c:v utvideo -pix_fmt gbrp", exact=True),
    Kind("rawvideo.avi", "-c:v rawvideo -pix_fmt bgr24", exact=True),
    Kind("rawvideo.mov", "-c:v rawvideo -pix_fmt rgb24", exact=True),
    Kind("png.mov", "-c:v png -pix_fmt rgb24", exact=True),
    Kind("qtrle.mov", "-c:v qtrle -pix_fmt rgb24", exact=True),
    Kind("animated.apng", "-c:v apng -f apng -pix_fmt rgb24", exact=True),
]
PIXELS = [
    Kind("10bit.mp4", "-c:v libx264 -pix_fmt yuv420p10le"),
    Kind("422.mp4", "-c:v libx264 -pix_fmt yuv422p"),
    Kind("444.mp4", "-c:v libx264 -pix_fmt yuv444p"),
    Kind("444_10bit.mp4", "-c:v libx264 -pix_fmt yuv444p10le"),
    Kind("gray.mp4", "-c:v libx264 -pix_fmt gray", coloured=False),
    Kind("gray.mkv", "-c:v ffv1 -pix_fmt gray", coloured=False),
    Kind("gray16.mkv", "-c:v ffv1 -pix_fmt gray16le", coloured=False),
    Kind("12bit.mkv", "-c:v ffv1 -pix_fmt yuv420p12le"),
    Kind("410.mkv", "-c:v ffv1 -pix_fmt yuv410p"),
    Kind("411.mkv", "-c:v ffv1 -pix_fmt yuv411p"),
    Kind("440.mkv", "-c:v ffv1 -pix_fmt yuv440p"),
    Kind("alpha.webm", "-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuva420p"),
    Kind("palette.avi", "-c:v rawvideo -pix_fmt pal8"),
    Kind("15bit.avi", "-c:v rawvideo -pix_fmt rgb555le"),
]
TIMES_AND_SHAPES = [
    Kind("interlaced.mp4", "-c:v libx264 -flags +ildct+ilme -x264opts tff=1"),
    Kind("interlaced.mpg", "-c:v mpeg2video -flags +ildct+ilme"),
    Kind("open_gop.mp4", "-c:v libx264 -x264opts open-gop=1:keyint=5"),
    Kind("refresh.mp4", "-c:v libx264 -x264opts intra-refresh=1"),
    Kind("many_b.mp4", "-c:v libx264 -bf 8"),
    Kind("anamorphic.mp4", "-c:v libx264 -vf setsar=16/11"),
    Kind("anamorphic.avi", "-c:v mpeg4 -aspect 16:9"),
    Kind("uneven.mp4", "-c:v libx264 -fps_mode passthrough -vf setpts=PTS+mod(N\\,3)*0.01/TB"),
    Kind("slower.mkv", "-c:v libx264 -fps_mode passthrough -vf setpts=N*N*0.02/TB"),
    Kind("long_gap.avi", "-c:v mpeg4 -bsf:v setts=ts=N+400*gte(N\\,10)"),
]
KINDS = [*RATES, *CONTAINERS, *EXACT, *PIXELS, *TIMES_AND_SHAPES]
