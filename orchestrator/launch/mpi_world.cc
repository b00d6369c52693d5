#include "orchestrator/launch/mpi_world.h"

#include <cstdlib>

namespace prosodia::launch {

bool under_mpi_launcher() {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  return size != nullptr && std::atoi(size) > 1;
}

bool started_by_srun() {
  return std::getenv("SLURM_STEP_ID") != nullptr && std::getenv("OMPI_COMM_WORLD_RANK") == nullptr;
}

MpiWorld::MpiWorld() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiWorld::~MpiWorld() {
  if (learners_ != MPI_COMM_NULL) MPI_Comm_free(&learners_);
  MPI_Finalize();
}

std::string MpiWorld::broadcast_text(const std::string& text) const {
  int length = static_cast<int>(text.size());
  MPI_Bcast(&length, 1, MPI_INT, 0, MPI_COMM_WORLD);
  std::string result = text;
  result.resize(static_cast<size_t>(length));
  MPI_Bcast(result.data(), length, MPI_CHAR, 0, MPI_COMM_WORLD);
  return result;
}

MPI_Comm MpiWorld::split_learners(bool is_learner) {
  MPI_Comm_split(MPI_COMM_WORLD, is_learner ? 0 : MPI_UNDEFINED, rank_, &learners_);
  return learners_;
}

int MpiWorld::num_hosts() const {
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host);
  int rank_on_host = 0;
  MPI_Comm_rank(host, &rank_on_host);
  MPI_Comm_free(&host);
  int hosts = rank_on_host == 0 ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &hosts, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  return hosts;
}

void MpiWorld::abort(int code) const {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::abort();
}

}  // namespace prosodia::launch
