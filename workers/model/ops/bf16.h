// The storage type of bfloat16 weights in the raw kernels.
#pragma once

#include <cstdint>

namespace prosodia::ops {

using Bf16 = uint16_t;  // the bits of a bfloat16: the upper half of a float

}  // namespace prosodia::ops
