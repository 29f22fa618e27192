// GSL as a system library. GSL names its algorithms by mutable globals, which Swift 6 refuses as
// not concurrency-safe; the getters below hand them out by value.
#pragma once
#include <gsl/gsl_errno.h>
#include <gsl/gsl_interp.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_statistics_double.h>
#include <gsl/gsl_cdf.h>

static inline const gsl_rng_type *tract_gsl_rng_taus2(void) { return gsl_rng_taus2; }

// A handler that aborts is GSL's default; callers that check statuses switch it off, which touches
// a global and is therefore done here, once a fit.
static inline const gsl_multifit_nlinear_type *tract_gsl_trust_region(void) {
  gsl_set_error_handler_off();
  return gsl_multifit_nlinear_trust;
}
