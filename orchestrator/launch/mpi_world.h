// All roles inside one mpirun: who this rank is, and the coordinator's endpoint, told over MPI so that no address has
// to be configured. Call from main's thread only.
#pragma once

#include <mpi.h>

#include <string>

#include "data/base/status.h"
#include "orchestrator/launch/layout.h"

namespace prosodia::launch {

// True when this process was started by an mpirun (or srun with PMIx) of more than one rank.
bool under_mpi_launcher();

// True in a task of a Slurm step, unless an mpirun inside it started this process.
bool started_by_srun();

class MpiWorld {
 public:
  // MPI_Init_thread; aborts the whole job through MPI's default error handler when MPI fails.
  MpiWorld();
  ~MpiWorld();  // MPI_Finalize
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Collective: every rank calls it; rank 0's text is returned everywhere.
  std::string broadcast_text(const std::string& text) const;
  // Collective: the communicator of the learner ranks; MPI_COMM_NULL on the others.
  MPI_Comm split_learners(bool is_learner);
  // Collective: hosts that the ranks lie on (as MPI sees them: who shares memory).
  int num_hosts() const;
  // Ends every rank of the job.
  [[noreturn]] void abort(int code) const;

 private:
  int rank_ = 0, size_ = 1;
  MPI_Comm learners_ = MPI_COMM_NULL;
};

}  // namespace prosodia::launch
