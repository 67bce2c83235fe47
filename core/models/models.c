/* SPDX-License-Identifier: MIT */
/* The table of models. */
#include "core/models/models.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

static const struct opu_model models[] = {
    {"mlp", "fully connected layers with a tap after each hidden one", OPU_MODEL_ROWS,
     opu_model_mlp},
    {"gcn", "two graph convolutions, a tap between them", OPU_MODEL_NODES, opu_model_gcn},
    {"cheb", "two convolutions by Chebyshev polynomials, a tap between them", OPU_MODEL_NODES,
     opu_model_cheb},
    {"spline", "two spline convolutions, a tap between them", OPU_MODEL_NODES, opu_model_spline},
    {"gat", "two layers of graph attention, a tap between them", OPU_MODEL_NODES, opu_model_gat},
    {"dna", "attention to the earlier layers of neighbours, a tap after each", OPU_MODEL_NODES,
     opu_model_dna},
    {"gae", "graph auto-encoder, a tap between its two convolutions", OPU_MODEL_LINKS,
     opu_model_gae},
};

#define N_MODELS (sizeof models / sizeof models[0])

const struct opu_model *opu_model_at(size_t i)
{
    return i < N_MODELS ? &models[i] : NULL;
}

int opu_model_find(const struct opu_model **out, const char *name)
{
    char names[256] = "";
    size_t used = 0;
    *out = NULL;
    for (size_t i = 0; i < N_MODELS; i++) {
        if (strcmp(models[i].name, name) == 0) {
            *out = &models[i];
            return OPU_OK;
        }
        int const n =
            snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", models[i].name);
        used += n > 0 && (size_t)n < sizeof names - used ? (size_t)n : 0;
    }
    return opu_fail(OPU_E_NOT_FOUND, "no model \"%.80s\", wanted one of: %s", name, names);
}
