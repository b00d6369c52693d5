# shellcheck shell=bash
# A supervisor of Slurm steps, by the rules of `prosodia train`'s own (orchestrator/launch/supervisor.h): what dies is
# started again with backoff, what the coordinator calls stuck is killed, the coordinator's end is the run's. Sourced by
# lib.sh.

healthy_s=60   # a step that lived this long starts again with the first delay
silence_s=60   # a coordinator that reported once and then nothing for so long is stuck
end_grace_s=6  # for the other steps after the coordinator's end; a learner rank takes 5 s to save, then ends itself

declare -A pid_of=() started_at=() started_time=() due_at=() restarts=() failures=()
export OMPI_MCA_btl_vader_single_copy_mechanism=none # needs ptrace rights that containers often lack; MPI complains otherwise
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
binds_cpus=$(scontrol show config | grep -E '^TaskPlugin *=.*(affinity|cgroup)' || true)
gpus_of_job=${CUDA_VISIBLE_DEVICES:-}
unset CUDA_VISIBLE_DEVICES SLURM_NTASKS SLURM_NPROCS SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_GPUS_PER_TASK SLURM_TRES_PER_TASK # of the job, not of its steps

# The last words of a command in the log of the process's last life ("prosodia learner: …"), if it has said any.
last_words() {
  find "$run/logs" -name "$1.*.log" -newermt "@${started_time[$1]}" -exec awk '/^===/ { words = "" } /^prosodia / { words = $0 } END { if (words != "") print words }' {} + | tail -n 1
}

start_step() {
  local name=$1 role=${role_of[$1]} hosts=${nodes_of[$1]} tasks=${tasks_of[$1]} count per_node cpus step command
  count=$(tr , '\n' <<<"$hosts" | wc -l)
  per_node=$(((tasks + count - 1) / count))
  cpus=$((cpus_of_node[${hosts%%,*}] / per_node))
  local gpus=none
  [ "${gpus_of[$name]}" = 0 ] || gpus=gpu:$gpus_on_node
  export PROSODIA_TASK_LOGS=$run/logs PROSODIA_TASK_GPUS=${gpus_of[$name]} PROSODIA_TASK_FIRST_GPU=${first_gpu_of[$name]} PROSODIA_TASK_BIND=$PROSODIA_BIND
  command=("$PROSODIA_HOME/scripts/slurm/task" "$role" "$name" "$PROSODIA_BINARY" "$role" --config "$run/config.ini" --name "$name")
  # --overlap: all steps of a node share its CPUs and GPUs; the processes' threads and task's choice of GPUs divide them.
  step=(srun --overlap --job-name="$name" --input=none --kill-on-bad-exit=1 --nodes="$count" --nodelist="$hosts" --ntasks="$tasks"
    --ntasks-per-node="$per_node" --cpus-per-task=$((cpus > 0 ? cpus : 1)) --gres="$gpus")
  [ $cpus -gt 0 ] || step+=(--overcommit)
  [ -z "$binds_cpus" ] || step+=(--cpu-bind=none)
  [ "${SLURM_HET_SIZE:-0}" -le 1 ] || step+=(--het-group="${group_of[$name]}")
  # shellcheck disable=SC2206 # several arguments in one variable
  step+=($PROSODIA_SRUN_ARGS)
  case $role in
    coordinator) PROSODIA_TASK_LOGS='' PROSODIA_SUPERVISOR_FIFO=$line "${step[@]}" --mpi=none "${command[@]}" > >(tee -a "$run/logs/$name.$hosts.log") 2>&1 & ;;
    learner)
      if [ "$PROSODIA_MPI" = mpirun ]; then
        CUDA_VISIBLE_DEVICES=$gpus_of_job mpirun -n "$tasks" --map-by "ppr:$per_node:node" --host "$(sed -E "s/(,|$)/:$per_node\1/g" <<<"$hosts")" \
          --bind-to none --mca plm_slurm_args "--overlap --gres=$gpus" "${command[@]}" </dev/null &
      else
        "${step[@]}" --mpi="$PROSODIA_MPI" --distribution=block "${command[@]}" &
      fi
      ;;
    *) "${step[@]}" --mpi=none "${command[@]}" & ;;
  esac
  pid_of[$name]=$! started_at[$name]=$SECONDS
  printf -v "started_time[$name]" '%(%s)T' -1
  unset "due_at[$name]"
  [ "$name" != coordinator ] || heard_at=-1
}

# All tasks of these steps, stopped ones too, whether their srun is there or not.
signal_steps() {  # SIGNAL NAME…
  local signal=$1 step name
  shift
  while read -r step name; do
    case " $* " in *" $name "*) scancel --signal="$signal" "$step" 2>/dev/null || true ;; esac
  done < <(squeue -h -s -j "$job" -o '%i %j' 2>/dev/null)
  [ "$PROSODIA_MPI" = mpirun ] && [ -n "${pid_of[learner]:-}" ] || return 0
  case " $* " in *' learner '*) kill "-$signal" "${pid_of[learner]}" 2>/dev/null || true ;; esac
}

final=''
finish() { [ -n "$final" ] || final=$1; }

on_exit() {  # NAME CODE: the rules of `prosodia train`'s own supervisor
  local name=$1 code=$2 how words delay
  unset "pid_of[$name]"
  [ -z "$final" ] || return 0
  # Only the journal says that the run is complete: an srun that is ended itself may return 0.
  [ "$name:$code" != coordinator:0 ] || is_complete || code=1
  [ "$code" -gt 128 ] && how="was ended by signal $((code - 128))" || how="exited with code $code"
  words=$(last_words "$name")
  words=${words:+; it said: $words}
  case $name:$code in
    coordinator:0) finish 0; return ;;
    *:0) return ;; # was told that the run ended
    coordinator:[46] | *:[235]) say "$name $how; the run ends$words"; finish "$code"; return ;;
  esac
  if [ -n "$stopping" ]; then
    [ "$name" != coordinator ] || finish 6
    return
  fi
  if [ "${restarts[$name]:-0}" -ge "$PROSODIA_MAX_RESTARTS" ]; then
    say "$name $how after ${restarts[$name]} restarts; giving up$words"
    finish 4
    return
  fi
  restarts[$name]=$((${restarts[$name]:-0} + 1))
  failures[$name]=$((SECONDS - started_at[$name] >= healthy_s ? 1 : ${failures[$name]:-0} + 1))
  delay=$((failures[$name] > 10 ? PROSODIA_RESTART_DELAY_MAX_S : 1 << (failures[$name] - 1)))
  delay=$((delay < PROSODIA_RESTART_DELAY_MAX_S ? delay : PROSODIA_RESTART_DELAY_MAX_S))
  say "$name on ${nodes_of[$name]} $how; starting it again in $delay s (restart ${restarts[$name]} of at most $PROSODIA_MAX_RESTARTS)$words"
  signal_steps KILL "$name"
  due_at[$name]=$((SECONDS + delay))
}

reap_steps() {
  local name code
  for name in "${!pid_of[@]}"; do
    kill -0 "${pid_of[$name]}" 2>/dev/null && continue
    code=0
    wait "${pid_of[$name]}" || code=$?
    on_exit "$name" "$code"
  done
}
start_due_steps() {
  local name
  for name in "${!due_at[@]}"; do [ "${due_at[$name]}" -gt "$SECONDS" ] || start_step "$name"; done
}

# --- the coordinator's reports (orchestrator/launch/supervisor_line.h): it lives; a process is stuck

line='' line_fd='' heard_at=-1 started_others=''
open_line() {
  line_dir=$(mktemp -d "${TMPDIR:-/tmp}/prosodia-$job.XXXXXX")
  line=$line_dir/line
  trap 'rm -rf "$line_dir"' EXIT
  mkfifo "$line"
  exec {line_fd}<>"$line"
}
hear_coordinator() {  # for at most half a second
  local word name reason seconds=0.5
  while read -r -t $seconds -u "$line_fd" word name reason; do
    seconds=0.01
    [ -n "${pid_of[coordinator]:-}" ] || continue
    heard_at=$SECONDS
    if [ "$word" = replace ] && [ -n "${pid_of[$name]:-}" ]; then
      say "$name on ${nodes_of[$name]} is stuck: $reason; killing its step"
      signal_steps KILL "$name"
    fi
  done
  [ "$heard_at" -lt 0 ] || [ $((SECONDS - heard_at)) -le $silence_s ] || [ -z "${pid_of[coordinator]:-}" ] || {
    say "the coordinator has given no sign of life for $silence_s s; killing its step"
    heard_at=-1
    signal_steps KILL coordinator
  }
}
# It listens and holds the run folder's lock: now the others may come.
start_others() {
  local name
  [ "$heard_at" -ge 0 ] && [ -z "$started_others" ] && [ -z "$stopping" ] || return 0
  started_others=1
  for name in "${names[@]}"; do [ "$name" = coordinator ] || due_at[$name]=$SECONDS; done
}

# --- the end

stopping='' stopping_since=-1 stop_told=''
on_signal() {
  say "signal $1: the step in hand is finished and saved first"
  [ "$stopping" = requeue ] || stopping=$2
}
# The coordinator ends the run in order; a signal before its first report would only kill its srun.
pass_on_stop() {
  [ -n "$stopping" ] && [ -z "$final" ] || return 0
  due_at=()
  [ $stopping_since -ge 0 ] || stopping_since=$SECONDS
  if [ -z "${pid_of[coordinator]:-}" ]; then
    finish 6
  elif [ $((SECONDS - stopping_since)) -gt "$PROSODIA_STOP_TIMEOUT_S" ]; then
    say "the coordinator did not end within $PROSODIA_STOP_TIMEOUT_S s; killing it"
    signal_steps KILL coordinator
    finish 6
  elif [ -z "$stop_told" ] && [ "$heard_at" -ge 0 ]; then
    stop_told=1
    kill -USR1 "${pid_of[coordinator]}" 2>/dev/null || true
  fi
}
# Those that are not told by the coordinator, because it failed or they had not reached it yet, are told here.
end_steps() {
  local name deadline=$((SECONDS + end_grace_s))
  due_at=()
  [ ${#pid_of[@]} = 0 ] || signal_steps TERM "${!pid_of[@]}"
  while [ ${#pid_of[@]} -gt 0 ] && [ $SECONDS -lt $deadline ]; do
    hear_coordinator
    reap_steps
  done
  [ ${#pid_of[@]} -gt 0 ] || return 0
  for name in "${!pid_of[@]}"; do say "$name on ${nodes_of[$name]} has not ended within $end_grace_s s; killing it"; done
  signal_steps KILL "${!pid_of[@]}"
  while [ ${#pid_of[@]} -gt 0 ]; do hear_coordinator; reap_steps; done
}
# Back into the queue: Slurm ends this script and starts it anew, on whatever nodes it finds.
requeue() {
  [ "$PROSODIA_REQUEUE" = 1 ] || return 0
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "$PROSODIA_MAX_REQUEUES" ]; then
    say "not requeued: ${SLURM_RESTART_COUNT} restarts, and PROSODIA_MAX_REQUEUES=$PROSODIA_MAX_REQUEUES"
    return 0
  fi
  say 'requeueing; the next life goes on from what is saved'
  scontrol requeue "$job" || { say 'Slurm did not requeue it. Next: submit the same command again to go on'; return 0; }
  trap - USR1 TERM
  for (( ; ; )); do sleep 1; done
}
