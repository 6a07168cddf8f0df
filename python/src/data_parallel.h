// gigatrain.DataParallel: what keeps alive what the C++ one refers to.
#pragma once

#include <memory>
#include <utility>

#include "gigatrain/parallel/data_parallel.h"
#include "nn.h"
#include "ranks.h"

namespace gigatrain::python {

struct KeptParameters {
  ParameterList kept;
};

class SharedModel : private KeptParameters, public parallel::DataParallel {
 public:
  SharedModel(nn::Layer& model, std::shared_ptr<Ranks> ranks,
              const parallel::DataParallelOptions& options)
      : KeptParameters{parameters_of(model)},
        DataParallel(model, device_of(model), ranks->get(), options),
        ranks_(std::move(ranks)) {}

  // Throws Error(invalid_argument) once the rank's function has ended.
  Communicator& group() const { return ranks_->get(); }
  // Optimizers that Python wrote know whole values only: they share no more than gradients.
  void require_fit(const optim::Optimizer& optimizer) const;

 private:
  std::shared_ptr<Ranks> ranks_;
};

}  // namespace gigatrain::python
