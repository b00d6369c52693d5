# shellcheck shell=bash
# What train.sbatch and train-het.sbatch share: the variables, the run folder, and the order of things. Sourced on the first
# node of the job; needs bash 4.4. placement.sh decides which process runs where, steps.sh starts and supervises them.

# --- variables: export them, or sbatch --export=ALL,NAME=value. README.md explains them.
: "${PROSODIA_BINARY:=$PROSODIA_HOME/build/bin/prosodia}"  # the program, at the same path on every node
: "${PROSODIA_LAYOUT:=learner=2,rollout=2,reward=1}"       # processes per role; --layout among the arguments wins
: "${PROSODIA_LEARNER_NODES:=auto}"                        # nodes that the learner ranks are spread over
: "${PROSODIA_REWARD_HET_GROUP:=0}"                        # component of a heterogeneous job for the reward workers
: "${PROSODIA_GPUS_PER_LEARNER:=auto}"                     # GPUs of each learner rank; auto: 1 when the job has GPUs
: "${PROSODIA_GPUS_PER_ROLLOUT:=auto}"                     # GPUs of each rollout worker; auto: 1 when the job has GPUs
: "${PROSODIA_GPUS_PER_REWARD:=0}"                         # GPUs of each reward worker
: "${PROSODIA_INTERFACE:=}"                                # network interface to listen on, such as ib0; MPI uses it too
: "${PROSODIA_BIND:=auto}"                                 # address to listen on; auto: see task
: "${PROSODIA_KEYS:=auto}"                                 # key folder; auto: RUN/keys with several nodes; none: no keys
: "${PROSODIA_MPI:=auto}"                                  # what starts the ranks: an srun --mpi type, or mpirun
: "${PROSODIA_SRUN_ARGS:=}"                                # more arguments of every srun, such as --container-image=…
: "${PROSODIA_REQUEUE:=1}"                                 # 1: requeue after a stop by USR1; 0: only save
: "${PROSODIA_MAX_REQUEUES:=100}"                          # restarts of the job by requeueing, at most
: "${PROSODIA_MAX_RESTARTS:=20}"                           # restarts of each step in one life of the job, at most
: "${PROSODIA_RESTART_DELAY_MAX_S:=30}"                    # between restarts; the delay begins with 1 s and doubles
: "${PROSODIA_STOP_TIMEOUT_S:=150}"                        # for the coordinator to end the run in order
settings=(BINARY LAYOUT LEARNER_NODES REWARD_HET_GROUP GPUS_PER_LEARNER GPUS_PER_ROLLOUT GPUS_PER_REWARD INTERFACE BIND
  KEYS MPI SRUN_ARGS REQUEUE MAX_REQUEUES MAX_RESTARTS RESTART_DELAY_MAX_S STOP_TIMEOUT_S)

job=$SLURM_JOB_ID
say() { printf 'slurm: %(%T)T %s\n' -1 "$*"; }
die() { local code=$1; shift; printf 'slurm: %s\n' "$*" >&2; exit "$code"; }

# --- what the user wants

train_options=()
run='' layout_given=''
read_arguments() {
  local previous='' argument
  train_options=("$@")
  for argument in "$@"; do
    case $previous in
      --output_dir) run=$argument ;;
      --layout) PROSODIA_LAYOUT=$argument layout_given=1 ;;
    esac
    case $argument in
      --output_dir=*) run=${argument#*=} ;;
      --layout=*) PROSODIA_LAYOUT=${argument#*=} layout_given=1 ;;
      --keys | --keys=* | --bind | --bind=*) die 2 "${argument%%=*} comes from the variables PROSODIA_KEYS, PROSODIA_BIND and PROSODIA_INTERFACE here" ;;
    esac
    previous=$argument
  done
  [ -n "$run" ] || die 2 'no --output_dir. Usage: sbatch [sbatch options] train.sbatch --model DIR --dataset F.jsonl --output_dir RUN [options of prosodia train]'
  run=$(realpath -m "$run")
  [ -x "$PROSODIA_BINARY" ] || die 2 "no program $PROSODIA_BINARY on node ${SLURMD_NODENAME:-?}. Next: scripts/build, or set PROSODIA_BINARY"
}

count_of() {  # ROLE: its number in the layout, 1 when it is not named
  [[ ,$PROSODIA_LAYOUT, =~ ,$1=([0-9]+), ]] && echo "${BASH_REMATCH[1]}" || echo 1
}

# Fills in what "auto" means here. Needs the nodes.
resolve_settings() {
  local name
  for name in LEARNER ROLLOUT; do
    local -n gpus_per=PROSODIA_GPUS_PER_$name
    [ "$gpus_per" != auto ] || { [ "$gpus_on_node" -gt 0 ] && gpus_per=1 || gpus_per=0; }
    unset -n gpus_per
  done
  [ "$gpus_on_node" -gt 0 ] || [ $((PROSODIA_GPUS_PER_LEARNER + PROSODIA_GPUS_PER_ROLLOUT + PROSODIA_GPUS_PER_REWARD)) = 0 ] ||
    die 2 'PROSODIA_GPUS_PER_… ask for GPUs, but the job has none. Next: sbatch --gres=gpu:N, or leave the variables out'
  if [ "$PROSODIA_LEARNER_NODES" = auto ]; then
    local nodes=${#group0[@]}
    if [ "$PROSODIA_GPUS_PER_LEARNER" -gt 0 ]; then
      PROSODIA_LEARNER_NODES=$(((learners * PROSODIA_GPUS_PER_LEARNER + gpus_on_node - 1) / gpus_on_node))
    else
      PROSODIA_LEARNER_NODES=$((learners < nodes ? learners : nodes))
    fi
  fi
  if [ "$PROSODIA_KEYS" = auto ]; then [ ${#all_nodes[@]} -gt 1 ] && PROSODIA_KEYS=$run/keys || PROSODIA_KEYS=none; fi
  if [ -n "$PROSODIA_INTERFACE" ]; then
    PROSODIA_BIND=$PROSODIA_INTERFACE
    export OMPI_MCA_btl_tcp_if_include=$PROSODIA_INTERFACE
  elif [ "$PROSODIA_BIND" = auto ] && [ ${#all_nodes[@]} = 1 ]; then
    PROSODIA_BIND=127.0.0.1
  fi
  if [ "$PROSODIA_MPI" = auto ]; then
    grep -q pmix <<<"$(srun --mpi=list 2>&1)" && PROSODIA_MPI=pmix || PROSODIA_MPI=mpirun
  fi
}

print_settings() {
  local name value
  say "job $job (restart ${SLURM_RESTART_COUNT:-0}) on ${all_nodes[*]}; run folder $run"
  for name in "${settings[@]}"; do
    value=PROSODIA_$name
    printf '  PROSODIA_%s=%s\n' "$name" "${!value}"
  done
  printf '  prosodia train'
  printf ' %q' "${train_options[@]}"
  printf '\n'
}

# --- the run folder

# RUN/slurm_job: whose folder this is, and for scripts/slurm/attach which process runs where.
claim_run() {
  local other state tries
  mkdir -p "$run/logs" || die 5 "cannot make $run/logs"
  other=$(awk '$1 == "job" { print $2; exit }' "$run/slurm_job" 2>/dev/null || true)
  if [ -n "$other" ] && [ "$other" != "$job" ]; then
    for ((tries = 0; tries < 90; ++tries)); do
      state=$(squeue -h -j "$other" -t all -o %T 2>/dev/null | head -n 1)
      case $state in
        COMPLETING) [ "$tries" != 0 ] || say "job $other is ending in $run; waiting for it" ;;
        RUNNING | SUSPENDED | STOPPED | SIGNALING | STAGE_OUT) die 4 "job $other ($state) trains in $run; two at once cannot. Next: scripts/slurm/attach $run, or scancel $other and submit again" ;;
        REQUEUED | REQUEUE_HOLD | REQUEUE_FED | PENDING) die 4 "job $other ($state) was requeued and will go on in $run. Next: wait for it, or scancel $other and submit again" ;;
        *) break ;;
      esac
      sleep 1
    done
  fi
}
record_job() {
  local name
  {
    echo "job $job"
    for name in "${names[@]}"; do echo "$name ${nodes_of[$name]}"; done
  } >"$run/slurm_job.new"
  mv "$run/slurm_job.new" "$run/slurm_job"
}

make_keys() {
  [ "$PROSODIA_KEYS" != none ] || return 0
  if [ ! -e "$PROSODIA_KEYS/allow_list" ]; then
    "$PROSODIA_BINARY" keygen --output_dir "$PROSODIA_KEYS" >/dev/null || exit
    say "made new keys in $PROSODIA_KEYS"
  fi
  train_options+=(--keys "$PROSODIA_KEYS")
}

# shellcheck source=scripts/slurm/placement.sh
. "$PROSODIA_HOME/scripts/slurm/placement.sh"
# shellcheck source=scripts/slurm/steps.sh
. "$PROSODIA_HOME/scripts/slurm/steps.sh"

# Checks the input and writes RUN/config.ini; says so when the run is complete.
prepare() { "$PROSODIA_BINARY" train "${train_options[@]}" --prepare; }
says_complete() { [[ $'\n'$1 = *$'\nrun complete: '* ]]; }
is_complete() { says_complete "$(prepare)"; }

train_on_slurm() {
  trap 'on_signal USR1 requeue' USR1
  trap 'on_signal TERM stop' TERM
  read_arguments "$@"
  read_nodes
  local learners said code=0
  learners=$(count_of learner)
  resolve_settings
  print_settings
  claim_run
  place_roles
  make_keys
  [ -n "$layout_given" ] || train_options+=(--layout "$PROSODIA_LAYOUT")
  said=$(prepare) || code=$?
  printf '%s\n' "$said"
  [ "$code" = 0 ] || exit "$code"
  ! says_complete "$said" || exit 0
  record_job
  open_line
  start_step coordinator
  while [ -z "$final" ]; do
    hear_coordinator
    reap_steps
    start_others
    pass_on_stop
    [ -n "$final" ] || start_due_steps
  done
  end_steps
  [ "$final $stopping" != '6 requeue' ] || requeue
  say "the run ended with code $final"
  exit "$final"
}
