# shellcheck shell=bash
# The job's nodes, and which process of the run goes where. Sourced by lib.sh.

group0=() reward_nodes=() all_nodes=()
declare -A cpus_of_node=() gpus_used=() processes_on=()
gpus_on_node=${SLURM_GPUS_ON_NODE:-0} # of the first node; those of component 0 are alike

hosts() { scontrol show hostnames "$1"; }
# "8(x2),4" -> one number a line
expand_counts() {
  local part
  for part in ${1//,/ }; do
    if [[ $part =~ ^([0-9]+)\(x([0-9]+)\)$ ]]; then
      yes "${BASH_REMATCH[1]}" | head -n "${BASH_REMATCH[2]}"
    else echo "$part"; fi
  done
}
read_group() {  # ARRAY, NODE LIST, CPUS PER NODE
  local -n nodes=$1
  local counts i
  mapfile -t nodes < <(hosts "$2")
  mapfile -t counts < <(expand_counts "$3")
  for i in "${!nodes[@]}"; do cpus_of_node[${nodes[i]}]=${counts[i]:-1}; done
}
read_nodes() {
  if [ "${SLURM_HET_SIZE:-0}" -gt 1 ]; then
    local list=SLURM_JOB_NODELIST_HET_GROUP_$PROSODIA_REWARD_HET_GROUP cpus=SLURM_JOB_CPUS_PER_NODE_HET_GROUP_$PROSODIA_REWARD_HET_GROUP
    [ -n "${!list:-}" ] || die 2 "PROSODIA_REWARD_HET_GROUP=$PROSODIA_REWARD_HET_GROUP, but the job has ${SLURM_HET_SIZE} components, counted from 0"
    read_group group0 "$SLURM_JOB_NODELIST_HET_GROUP_0" "$SLURM_JOB_CPUS_PER_NODE_HET_GROUP_0"
    read_group reward_nodes "${!list}" "${!cpus}"
  else
    [ "$PROSODIA_REWARD_HET_GROUP" = 0 ] || die 2 "PROSODIA_REWARD_HET_GROUP=$PROSODIA_REWARD_HET_GROUP, but this is not a heterogeneous job. Next: sbatch train-het.sbatch, or leave the variable out"
    read_group group0 "$SLURM_JOB_NODELIST" "$SLURM_JOB_CPUS_PER_NODE"
    reward_nodes=("${group0[@]}")
  fi
  mapfile -t all_nodes < <(printf '%s\n' "${group0[@]}" "${reward_nodes[@]}" | awk '!seen[$0]++')
}

# Of every process: its nodes (comma separated), tasks, tasks a node, GPUs a task, first GPU, component.
names=()
declare -A role_of=() nodes_of=() tasks_of=() gpus_of=() first_gpu_of=() group_of=()
place() {  # NAME ROLE NODES TASKS GPUS-A-TASK COMPONENT
  local hosts=${3//,/ } node count
  names+=("$1")
  role_of[$1]=$2 nodes_of[$1]=$3 tasks_of[$1]=$4 gpus_of[$1]=$5 group_of[$1]=$6
  count=$(wc -w <<<"$hosts")
  first_gpu_of[$1]=${gpus_used[${hosts%% *}]:-0}
  for node in $hosts; do
    gpus_used[$node]=$((${gpus_used[$node]:-0} + $5 * (($4 + count - 1) / count)))
    processes_on[$node]=$((${processes_on[$node]:-0} + ($4 + count - 1) / count))
    [ "$5" = 0 ] || [ "${gpus_used[$node]}" -le "$gpus_on_node" ] || die 2 "$PROSODIA_LAYOUT needs more than the $gpus_on_node GPU(s) of node $node. Next: more nodes, fewer processes, or other PROSODIA_GPUS_PER_…"
  done
}
least_loaded() {  # NODES…: the one with fewest GPUs in use, then with fewest processes
  local node
  for node in "$@"; do echo "${gpus_used[$node]:-0} ${processes_on[$node]:-0} $node"; done | sort -s -n -k1,1 -k2,2 | awk 'NR == 1 { print $3 }'
}
place_roles() {
  local i learner_nodes
  ((PROSODIA_LEARNER_NODES >= 1 && PROSODIA_LEARNER_NODES <= ${#group0[@]} && PROSODIA_LEARNER_NODES <= learners)) ||
    die 2 "$learners learner rank(s) on $PROSODIA_LEARNER_NODES node(s), but the job has ${#group0[@]} for them. Next: more nodes, or another PROSODIA_LEARNER_NODES"
  learner_nodes=("${group0[@]:0:PROSODIA_LEARNER_NODES}")
  place coordinator coordinator "${group0[0]}" 1 0 0
  processes_on[${group0[0]}]=0 # it takes next to nothing
  place learner learner "$(IFS=,; echo "${learner_nodes[*]}")" "$learners" "$PROSODIA_GPUS_PER_LEARNER" 0
  for ((i = 0; i < $(count_of rollout); ++i)); do
    place "rollout-$i" rollout "$(least_loaded "${group0[@]}")" 1 "$PROSODIA_GPUS_PER_ROLLOUT" 0
  done
  for ((i = 0; i < $(count_of reward); ++i)); do
    place "reward-$i" reward "$(least_loaded "${reward_nodes[@]}")" 1 "$PROSODIA_GPUS_PER_REWARD" "$PROSODIA_REWARD_HET_GROUP"
  done
}
