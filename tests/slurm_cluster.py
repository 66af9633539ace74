"""A real Slurm on this machine, for tests: munge, slurmctld and two slurmd in one folder."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shlex import quote

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
# Where Debian has daemons, also for users whose PATH has not.
PATHS = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
# What runs a job, or a step of it, on a node, as it calls itself.
STEP = r"slurmstepd: \[(\d+)\."
# Two nodes that say that they have four cores, the second also a GPU, a plain file. Each second
# memory is looked at, and a step that has more than it asked for is killed. In the partition
# `short` a job may run for a minute.
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
TaskPlugin=task/none
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerParameters=sched_interval=2,bf_interval=5
KillWait=5
JobRequeue=0
MinJobAge=300
SlurmdTimeout=30
OverTimeLimit=0
InactiveLimit=0
GresTypes=gpu
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[1]} CPUs=4 RealMemory={memory}
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[2]} CPUs=4 RealMemory={memory} \
Gres=gpu:1
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=2880 State=UP
PartitionName=short Nodes=n1,n2 MaxTime=1 State=UP
"""


def missing() -> str:
    """Return why there can be no cluster on this machine, '' where there can."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=PATHS) is None]
    if lacking:
        return f"Slurm is not installed: no {', '.join(lacking)} (Debian: slurm-wlm, munge)"
    if not _resolves() and not os.access("/etc/hosts", os.W_OK):
        return f"the name of this machine, {socket.gethostname()}, has no address"
    return ""


class SlurmCluster:
    """Daemons that live between `__enter__` and `__exit__`, in the nodes n1 and n2."""

    def __init__(self, folder: Path):
        self.folder, self.daemons = folder, {}
        self.values = {
            "folder": folder,
            "host": socket.gethostname(),
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "ports": _free_ports(3),
            # Nothing is reserved: nodes have what no test asks for.
            "memory": 512_000,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs that use this cluster."""
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{PATHS}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    def __enter__(self) -> "SlurmCluster":
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # munged refuses folders that others can write.
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        (self.folder / "slurm.conf").write_text(CONFIG.format(**self.values))
        gpu = self.folder / "gpu0"
        gpu.touch()
        (self.folder / "gres.conf").write_text(f"NodeName=n2 Name=gpu File={gpu}\n")
        # Within a job the executor's plug-in keeps SLURM_CONF from srun.
        srun = self.folder / "bin" / "srun"
        srun.parent.mkdir()
        srun.write_text(
            f"#!/bin/sh\nSLURM_CONF={quote(str(self.folder / 'slurm.conf'))} "
            f'exec {shutil.which("srun", path=PATHS)} "$@"\n'
        )
        srun.chmod(0o755)
        if not _resolves():
            with open("/etc/hosts", "a") as file:
                file.write(f"127.0.0.1 {socket.gethostname()}\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        names = ("socket", "pid", "log", "seed")
        words = {"seed": "seed-file", "pid": "pid-file", "log": "log-file", "socket": "socket"}
        files = [f"--{words[name]}={self.folder}/munge.{name}" for name in names]
        # In a folder below /tmp, which others can write, it needs to be forced.
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *files)
        _wait(lambda: (self.folder / "munge.socket").exists(), "munged makes its socket")
        self._start("slurmctld", "-D")
        for node in ("n1", "n2"):
            self.start_node(node)
        _wait(lambda: self.states() == {"n1": "idle", "n2": "idle"}, "both nodes are idle")

    def __exit__(self, *_) -> None:
        if (self.folder / "munge.socket").exists():
            with suppress(subprocess.SubprocessError):
                self.run("scancel", f"--user={self.values['user']}", "--signal=KILL")
        for name in [name for name in self.daemons if name != "munged"] + ["munged"]:
            if name in self.daemons:
                self._stop(name)
        own = f"SLURM_CONF={self.folder / 'slurm.conf'}"
        self._kill(lambda process: own in _variables(process))

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        self._start("slurmd", "-D", "-N", node, name=node)

    def lose_node(self, node: str) -> None:
        """kill -9 to the slurmd of a node and to all that works there."""
        jobs = self.run("squeue", "-h", "-w", node, "-o", "%i").split()
        daemon = self.daemons.pop(node)
        self._kill(lambda process: process.pid == daemon.pid or _job_of(process) in jobs)
        daemon.wait()

    def states(self) -> dict[str, str]:
        """The state of each node, such as idle, mixed, allocated, down*."""
        lines = self.run("sinfo", "-N", "-h", "-p", "main", "-o", "%N %T").split("\n")
        return dict(line.split() for line in lines if line)

    def jobs(self) -> dict[str, str]:
        """The state of each job that the cluster remembers: {'12': 'RUNNING'}."""
        lines = self.run("squeue", "-h", "--states=all", "-o", "%i %T").split("\n")
        return dict(line.split() for line in lines if line)

    def comments(self) -> dict[str, str]:
        """What each job that runs is for, such as 'rule_teacher_wildcards_...'."""
        lines = self.run("squeue", "-h", "--states=running", "-o", "%i %k").split("\n")
        return dict(line.split(maxsplit=1) for line in lines if line)

    def run(self, *command: str) -> str:
        """Run a program of Slurm's; returns what it printed, also where it failed."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30
        )
        return done.stdout

    def logs(self) -> str:
        """The ends of the logs of all daemons, for a test that failed."""
        texts = [
            f"{path.name}:\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self.folder.glob("*.log"))
        ]
        return "\n".join(texts)

    def _start(self, program: str, *arguments: str, name: str = "") -> None:
        with open(self.folder / f"{name or program}.out", "ab") as out:
            self.daemons[name or program] = subprocess.Popen(
                [shutil.which(program, path=PATHS), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _stop(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _kill(self, is_wanted: Callable[[psutil.Process], bool]) -> None:
        """kill -9 to processes, all at once: who lived on would tell slurmctld how others ended.

        So they are stopped first, until there is none that another has begun meanwhile.
        """
        stopped: dict[int, psutil.Process] = {}
        while found := [
            process
            for process in psutil.process_iter()
            if process.pid not in stopped and is_wanted(process)
        ]:
            for process in found:
                stopped[process.pid] = process
                with suppress(psutil.Error):
                    process.suspend()
        for process in stopped.values():
            with suppress(psutil.Error):
                process.kill()


def _variables(process: psutil.Process) -> set[str]:
    """The environment of a process, in lines as `env` prints them."""
    with suppress(psutil.Error):
        return {f"{name}={value}" for name, value in process.environ().items()}
    return set()


def _job_of(process: psutil.Process) -> str:
    """The number of the job that a process works for, itself or as 'slurmstepd: [12.batch]'; ''
    where it works for none.
    """
    with suppress(psutil.Error):
        if step := re.match(STEP, " ".join(process.cmdline())):
            return step[1]
        return process.environ().get("SLURM_JOB_ID", "")
    return ""


def _resolves() -> bool:
    try:
        return socket.gethostbyname(socket.gethostname()) != ""
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait(condition, what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
