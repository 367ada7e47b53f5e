#include "hist.h"
#include "base/macros.h"

#include "base/macros.h"

static unsigned bucket_of(uint64_t v)
{
    if (v < (1u << HIST_STEP_BITS))
        return (unsigned)v;
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_STEP_BITS;
    return ((shift + 1) << HIST_STEP_BITS) + (unsigned)((v >> shift) - (1u << HIST_STEP_BITS));
}

/* The middle of a bucket's range. */
static double value_of(unsigned bucket)
{
    unsigned shift = bucket >> HIST_STEP_BITS;
    double low = bucket & ((1u << HIST_STEP_BITS) - 1);
    if (shift == 0)
        return low;
    double width = (double)(1ULL << (shift - 1));
    return (low + (1u << HIST_STEP_BITS)) * width + width / 2;
}

void hist_add(struct hist *h, uint64_t value)
{
    h->count++;
    if (value > h->max)
        h->max = value;
    h->buckets[bucket_of(value)]++;
}

double hist_quantile(const struct hist *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count), seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted) {
            double v = value_of(i);
            return v < (double)h->max ? v : (double)h->max;
        }
    }
    return (double)h->max;
}
