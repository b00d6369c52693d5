# shellcheck shell=bash
# A real Slurm on this machine alone: munged, slurmctld and four slurmd ("nodes" n1 to n4, each with four pretended GPUs)
# on loopback, with keys, state, logs and ports of their own in a temporary folder; no systemd, no system Slurm. Sourced
# by the tests; everything ends with the test's shell, also when the test fails.
# Needs PROSODIA_BINARY, PROSODIA_E2E_DIR and PROSODIA_SLURM_DIR (a folder in the build tree).
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
S=$PROSODIA_SLURM_DIR
SCRIPTS=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../scripts/slurm")
# The run that all tests make, each under its own kind of trouble; setup.sh makes it without Slurm.
steps=40
run_options=("${train_options[@]}" --max_steps $steps)
# PROSODIA_REQUIRE_SLURM=1: where Slurm must start, a reason to skip is a failure.
skip_or_fail() { [ "${PROSODIA_REQUIRE_SLURM:-0}" = 0 ] || fail "$*"; skip "$*"; }

cluster=
start_cluster() {
  local program host base try
  PATH=$PATH:/usr/sbin
  for program in munged slurmctld slurmd sbatch; do
    command -v $program >/dev/null || skip_or_fail "needs $program (Debian packages munge and slurm-wlm; scripts/bootstrap installs them)"
  done
  cluster=$(mktemp -d /tmp/prosodia-slurm.XXXXXX)
  trap stop_cluster EXIT
  # Killed outright (a test's time limit), this shell cannot clean up; somebody else looks after it.
  SLURM_CONF='' setsid bash -c '. "$0"; cluster=$1; while kill -0 "$2" 2>/dev/null; do sleep 2; done; [ ! -e "$cluster" ] || end_daemons' \
    "$(realpath "${BASH_SOURCE[0]}")" "$cluster" $$ </dev/null >/dev/null 2>&1 &
  chmod 755 "$cluster"
  host=$(hostname) && host=${host%%.*}
  # A host that does not know its own name cannot be called by it.
  getent hosts "$host" >/dev/null || export PROSODIA_BIND=127.0.0.1
  mkdir -p "$cluster"/{state,log} "$cluster"/{spool,tmp}/n{1,2,3,4}
  head -c 128 /dev/urandom >"$cluster/munge.key" && chmod 400 "$cluster/munge.key"
  munged --key-file="$cluster/munge.key" --socket="$cluster/munge" --pid-file="$cluster/munged.pid" --log-file="$cluster/log/munged" \
    --seed-file="$cluster/munge.seed" 2>"$cluster/log/munged.err" || skip_or_fail "munged does not start: $(tail -n 1 "$cluster/log/munged.err")"
  export SLURM_CONF=$cluster/slurm.conf
  for try in 1 2 3; do
    base=$((20000 + (RANDOM % 4000) * 10))
    write_configuration "$host" $base
    if start_daemons; then return; fi
    stop_daemons
  done
  tail -n 5 "$cluster"/log/*
  skip_or_fail "Slurm does not start here; its logs are above"
}
# TmpFS with %n: PMIx keeps its sockets there, and these nodes share one /tmp. FirstJobId: Open MPI names shared memory after
# the job, and there may be another cluster on this host. cred_expire: a requeued job waits for it.
write_configuration() {  # HOST PORT
  local node
  cat >"$SLURM_CONF" <<END
ClusterName=prosodia-test
FirstJobId=$((1 + (RANDOM % 30000) * 1000))
SlurmctldHost=$1(127.0.0.1)
SlurmctldPort=$2
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$cluster/munge,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd-%n.pid
SlurmctldLogFile=$cluster/log/slurmctld
SlurmdLogFile=$cluster/log/slurmd-%n
SlurmdSpoolDir=$cluster/spool/%n
StateSaveLocation=$cluster/state
TmpFS=$cluster/tmp/%n
SlurmdParameters=config_overrides
ReturnToService=2
GresTypes=gpu
PartitionName=main Nodes=n[1-4] Default=YES State=UP
END
  : >"$cluster/gres.conf"
  for node in 1 2 3 4; do
    echo "NodeName=n$node NodeHostname=$1 NodeAddr=127.0.0.1 Port=$(($2 + node)) CPUs=8 RealMemory=2000 Gres=gpu:4" >>"$SLURM_CONF"
    # Any four device files do: nobody opens them.
    printf "NodeName=n$node Name=gpu File=/dev/%s\n" null zero full urandom >>"$cluster/gres.conf"
  done
}
start_daemons() {
  local node
  slurmctld -c 2>>"$cluster/log/slurmctld.err" || return 1
  for node in n1 n2 n3 n4; do slurmd -N $node 2>>"$cluster/log/$node.err" || return 1; done
  for _ in $(seq 100); do
    [ "$(sinfo -h -N -o %t 2>/dev/null | grep -c '^idle$')" = 4 ] && return
    sleep 0.2
  done
  return 1
}
stop_daemons() {
  local file
  for file in "$cluster"/slurmd-*.pid "$cluster/slurmctld.pid"; do
    [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
  done
  for _ in $(seq 50); do [ -n "$(ls "$cluster"/slurm*.pid 2>/dev/null)" ] || return 0; sleep 0.1; done
}
# All processes of the cluster, its jobs' too: those that were started with our slurm.conf in their environment.
processes_of_cluster() { env -u SLURM_CONF grep -lsz "^SLURM_CONF=$cluster/" /proc/[0-9]*/environ | cut -d/ -f3 || true; }
end_daemons() {
  stop_daemons
  [ ! -s "$cluster/munged.pid" ] || kill "$(cat "$cluster/munged.pid")" 2>/dev/null || true
  # shellcheck disable=SC2046 # a list of pids
  kill -KILL $(processes_of_cluster) 2>/dev/null || true
}
stop_cluster() {
  local code=$?
  trap - EXIT
  if [ -e "$cluster/slurmctld.pid" ]; then
    timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 100); do [ -n "$(timeout 10 squeue -h 2>/dev/null)" ] || break; sleep 0.2; done
  fi
  end_daemons
  if [ $code = 0 ] || [ $code = 77 ]; then
    # What was killed a moment ago may still write.
    for _ in $(seq 50); do rm -rf "$cluster" 2>/dev/null && break; sleep 0.2; done
  else
    echo "the cluster's files are in $cluster" >&2
  fi
  exit $code
}

# --- jobs

R= job=
use_folder() { R=$S/$1; rm -rf "$R"; mkdir -p "$R"; }
# submit SBATCH-OPTIONS… -- OPTIONS-OF-TRAIN…: sets job.
submit() { submit_script train.sbatch "$@"; }
submit_script() {
  local script=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  job=$(sbatch --parsable --output="$R/job-%j.out" "${options[@]}" "$SCRIPTS/$script" "${run_options[@]}" --output_dir "$R/run" "$@") || fail "sbatch"
}
output() { cat "$R/job-$job.out" 2>/dev/null || true; }
give_up() { output >&2; tail -n 5 "$R"/run/logs/*.log >&2 || true; squeue >&2; fail "$@"; }
# Minutes, so that a loaded machine is no failure; a test that hangs ends here, one whose job is over does so sooner.
await() {
  local what=$1 try
  shift
  for try in $(seq 1000); do
    "$@" && return
    ((try % 25 != 0)) || ! ended || "$@" || give_up "job $job ended before: $what"
    sleep 0.2
  done
  give_up "200 s passed before: $what"
}
says() { grep -qE -- "$1" <<<"$(output)"; }
await_line() { await "'$1' in the output of job $job" says "$1"; }
await_step() { await "step $1" at_step "$1"; }
steps_done() { cat "$R/run/metrics.jsonl" 2>/dev/null | wc -l; }
at_step() { [ "$(steps_done)" -ge "$1" ]; }
state() { scontrol show job "$job" -o | head -n 1 | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p'; }
ended() { [[ $(state) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)$ ]]; }
exit_code() { scontrol show job "$job" -o | head -n 1 | sed -n 's/.* ExitCode=\([0-9]*\):.*/\1/p'; }
expect_end() {  # CODE
  await "the end of job $job" ended
  [ "$(exit_code)" = "$1" ] || give_up "job $job ended with code $(exit_code) ($(state)) instead of $1"
}
# The pid of a process (rank 0's of the learner), from the line that begins its newest life in its log.
pid_of() { cat "$R/run/logs/$1."*.log | grep "^=== .* $1 rank ${2:-0} " | sort | tail -n 1 | sed 's/.* pid \([0-9]*\),.*/\1/'; }
# kill_process SIGNAL NAME [RANK]
kill_process() { kill "-$1" "$(pid_of "$2" "${3:-0}")" || give_up "there is no process $2"; }
# What every run must come to, whatever happened: the digest of the run without Slurm, each step once, nothing left.
check_run() {
  [ "$(require_digest "$R/job-$job.out")" = "$(cat "$S/digest")" ] || give_up "another digest than without Slurm"
  [ "$(steps_done)" = $steps ] || fail "metrics.jsonl has $(steps_done) lines, not one for each of $steps steps"
  await "no process of the run is left" nothing_left
}
nothing_left() {
  local pid
  for pid in $(processes_of_cluster); do ! grep -qsaF "$R/run" "/proc/$pid/cmdline" || return 1; done
}
export PROSODIA_RESTART_DELAY_MAX_S=1
