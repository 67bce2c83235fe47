/* SPDX-License-Identifier: MIT */
/* What all groups of acceptance tests share: draws from the seed, rows to the caller. */
#include "sim/acceptance/acceptance.h"

#include "core/base/hash.h"
#include "core/base/options.h"
#include "core/base/rng.h"
#include "sim/acceptance/measured.h"

#include <string.h>

static struct opu_philox4 next_block(struct opu_acceptance *acceptance)
{
    const char *const group = acceptance->group != NULL ? acceptance->group : "";
    uint64_t const name = opu_hash64(OPU_HASH_START, group, strlen(group));
    return opu_philox(acceptance->seed, OPU_STREAM_TEST, (uint32_t)name, acceptance->draws++);
}

void opu_accept_begin(struct opu_acceptance *acceptance, const char *group)
{
    acceptance->group = group;
    acceptance->draws = 0;
}

double opu_accept_draw(struct opu_acceptance *acceptance, double low, double high)
{
    return low + (high - low) * opu_uniform(next_block(acceptance).v[0]);
}

size_t opu_accept_draw_size(struct opu_acceptance *acceptance, size_t low, size_t high)
{
    return low + (size_t)next_block(acceptance).v[0] % (high - low + 1);
}

uint64_t opu_accept_draw_seed(struct opu_acceptance *acceptance)
{
    struct opu_philox4 const block = next_block(acceptance);
    return (uint64_t)block.v[0] << 32 | block.v[1];
}

struct opu_sim_options opu_accept_defaults(enum opu_medium_name medium)
{
    struct opu_sim_options options;
    memset(&options, 0, sizeof(options));
    opu_options_default(opu_sim_option_table, OPU_SIM_N_OPTIONS, &options);
    options.medium = (int)medium;
    return options;
}

int opu_accept(struct opu_acceptance *acceptance, struct opu_check_row row)
{
    row.size = sizeof(row);
    row.group = acceptance->group;
    return acceptance->fn(acceptance->user, &row);
}
