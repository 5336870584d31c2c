// Which instruction sets this machine runs, best first.
#pragma once

#include <string>
#include <vector>

#include "kernels/context.h"

namespace rsir {

const char* isa_name(Isa isa);

std::vector<Isa> supported_isas();

// Throws std::invalid_argument for a name that is unknown or that this machine cannot run.
Isa isa_from_name(const std::string& name);

}  // namespace rsir
