/* SPDX-License-Identifier: MIT */
/* How far a picture may be trusted: ranks of neighbours and labels of neighbours, a panel of rows
 * at a time. */
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/embed/packed.h"

/* What visits share. */
struct ranking {
    const struct opu_embed_kernels *kernels;
    size_t n, k;
    uint32_t *nearest; /* [n][k] */
    uint64_t *owed;    /* [n] ranks beyond k */
};

/* scratch: [k] keys */
static void keep_nearest(void *user, size_t row, const float *distances, void *scratch)
{
    const struct ranking *const ranking = user;
    uint64_t *const keys = scratch;
    opu_nearest(keys, ranking->k, distances, ranking->n, row);
    for (size_t j = 0; j < ranking->k; j++) {
        ranking->nearest[row * ranking->k + j] = opu_key_point(keys[j]);
    }
}

/* Points at the very distance of j and before it, without the row's own. */
static size_t ties_before(const float *distances, size_t row, size_t j)
{
    size_t count = 0;
    for (size_t i = 0; i < j; i++) {
        count += distances[i] == distances[j] && i != row;
    }
    return count;
}

static void add_ranks(void *user, size_t row, const float *distances, void *scratch)
{
    const struct ranking *const ranking = user;
    (void)scratch;
    uint64_t owed = 0;
    for (size_t l = 0; l < ranking->k; l++) {
        size_t const j = ranking->nearest[row * ranking->k + l];
        size_t rank = 1 + ranking->kernels->below(distances, ranking->n, distances[j]);
        rank -= distances[row] < distances[j]; /* itself */
        rank += ties_before(distances, row, j);
        owed += rank > ranking->k ? rank - ranking->k : 0;
    }
    ranking->owed[row] = owed;
}

static int rank(struct ranking *ranking, struct opu_context *context,
                const struct opu_points *original, const struct opu_points *picture)
{
    struct opu_packed packed;
    OPU_TRY(opu_packed_init(&packed, context, picture, "the picture", NULL, 0,
                            ranking->k * sizeof(uint64_t)));
    opu_packed_visit(&packed, keep_nearest, ranking);
    opu_packed_fini(&packed);
    OPU_TRY(opu_packed_init(&packed, context, original, "the original", NULL, 0, 1));
    ranking->kernels = packed.kernels;
    opu_packed_visit(&packed, add_ranks, ranking);
    opu_packed_fini(&packed);
    return OPU_OK;
}

int opu_embed_trustworthiness(struct opu_context *context, const struct opu_points *original,
                              const struct opu_points *picture, size_t neighbours,
                              double *trustworthiness)
{
    size_t const n = original->n, k = neighbours;
    size_t cells;
    if (picture->n != n) {
        return opu_fail(OPU_E_INVALID, "trustworthiness: the picture has %zu points, wanted %zu",
                        picture->n, n);
    }
    if (k == 0 || k >= (n + 1) / 2) {
        return opu_fail(OPU_E_INVALID,
                        "trustworthiness: neighbours is %zu of %zu points, wanted 1 and below half",
                        k, n);
    }
    if (!opu_size_mul(&cells, n, k)) {
        return opu_fail(OPU_E_NO_MEMORY, "trustworthiness: %zu neighbours of %zu points overflow",
                        k, n);
    }
    struct ranking ranking = {.n = n, .k = k};
    ranking.nearest = opu_calloc(context, cells, sizeof *ranking.nearest);
    ranking.owed = ranking.nearest == NULL ? NULL : opu_calloc(context, n, sizeof *ranking.owed);
    int status = OPU_E_NO_MEMORY;
    if (ranking.owed != NULL) {
        status = rank(&ranking, context, original, picture);
    }
    if (status == OPU_OK) {
        uint64_t owed = 0;
        for (size_t i = 0; i < n; i++) {
            owed += ranking.owed[i];
        }
        double const most = 2.0 * (double)n - 3.0 * (double)k - 1.0;
        *trustworthiness = 1.0 - 2.0 * (double)owed / ((double)n * (double)k * most);
    }
    opu_context_free(context, ranking.owed);
    opu_context_free(context, ranking.nearest);
    return status;
}

struct labelled {
    size_t n, k;
    const int32_t *labels; /* of all points */
    uint32_t *keep;        /* [n] points with one */
    uint32_t *same;        /* [n] neighbours of the same label */
};

static void count_same(void *user, size_t row, const float *distances, void *scratch)
{
    const struct labelled *const all = user;
    uint64_t *const keys = scratch;
    opu_nearest(keys, all->k, distances, all->n, row);
    uint32_t same = 0;
    for (size_t j = 0; j < all->k; j++) {
        same += all->labels[all->keep[opu_key_point(keys[j])]] == all->labels[all->keep[row]];
    }
    all->same[row] = same;
}

static int find_purity(struct labelled *all, struct opu_context *context,
                       const struct opu_points *points, double *purity)
{
    for (size_t i = 0; i < points->n; i++) {
        if (all->labels[i] >= 0) {
            all->keep[all->n++] = (uint32_t)i;
        }
    }
    if (all->k == 0 || all->k >= all->n) {
        return opu_fail(OPU_E_INVALID,
                        "purity: neighbours is %zu of %zu labelled points, wanted 1 and below them",
                        all->k, all->n);
    }
    struct opu_packed packed;
    OPU_TRY(opu_packed_init(&packed, context, points, "purity", all->keep, all->n,
                            all->k * sizeof(uint64_t)));
    opu_packed_visit(&packed, count_same, all);
    opu_packed_fini(&packed);
    uint64_t same = 0;
    for (size_t i = 0; i < all->n; i++) {
        same += all->same[i];
    }
    *purity = (double)same / ((double)all->n * (double)all->k);
    return OPU_OK;
}

int opu_embed_purity(struct opu_context *context, const struct opu_points *points,
                     const int32_t *labels, size_t neighbours, double *purity)
{
    struct labelled all = {.k = neighbours, .labels = labels};
    all.keep = opu_calloc(context, points->n, sizeof *all.keep);
    all.same = all.keep == NULL ? NULL : opu_calloc(context, points->n, sizeof *all.same);
    int const status =
        all.same != NULL ? find_purity(&all, context, points, purity) : OPU_E_NO_MEMORY;
    opu_context_free(context, all.same);
    opu_context_free(context, all.keep);
    return status;
}
