// A loss as it comes from JavaScript.
#pragma once

#include <napi.h>

#include "loss/loss.h"

namespace onelogit::addon {

// From an object as `losses.*` (src/losses.ts) makes it: { name, reduction?, margin?, alpha?, numSampled?, noiseRatio?,
// noise?, samples?, removeAccidentalHits?, seed? }. Throws on another type or name; ranges are check_loss's business,
// as is that 'unigram' noise has been given its counts.
LossSpec loss_from_javascript(const Napi::Object& object);

}  // namespace onelogit::addon
