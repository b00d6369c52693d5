#!/usr/bin/env bash
# A heterogeneous job: reward workers on the nodes of its second component. Beside it a job whose ranks mpirun starts.
. "$(dirname "$0")/cluster.sh"
start_cluster
use_folder het
submit_script train-het.sbatch --nodes=1 --gres=gpu:4 : --nodes=1 -- --layout learner=2,rollout=2,reward=2
het=$job
use_folder mpirun
PROSODIA_MPI=mpirun PROSODIA_LEARNER_NODES=2 submit --nodes=2 -- --layout learner=2,rollout=2,reward=1
expect_end 0
check_run
job=$het R=$S/het
expect_end 0
check_run
read -r main <<<"$(awk '$1 == "learner" { print $2 }' "$R/run/slurm_job")"
for name in coordinator rollout-0 rollout-1; do [ -s "$R/run/logs/$name.$main.log" ] || fail "$name is not on the main component's node"; done
for name in reward-0 reward-1; do
  [ -n "$(find "$R/run/logs" -name "$name.*.log")" ] || fail "no log of $name"
  [ ! -e "$R/run/logs/$name.$main.log" ] || fail "$name is not on the second component's node"
done
expect_code 2 'not a heterogeneous job' env SLURM_JOB_ID=0 SLURM_JOB_NODELIST=n1 SLURM_JOB_CPUS_PER_NODE=1 PROSODIA_HOME="$SCRIPTS/../.." PROSODIA_REWARD_HET_GROUP=1 \
  PROSODIA_BINARY="$P" bash -c '. "$PROSODIA_HOME/scripts/slurm/lib.sh"; train_on_slurm --output_dir nowhere'
