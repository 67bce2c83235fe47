/* SPDX-License-Identifier: MIT */
/*
 * Planning, first half: which gradients are wanted, which values form a block, and which values may
 * share memory.
 *
 * A gradient is wanted where a value depends on something trained and a root - the loss, or a tap
 * that cuts - lies downstream with no cut between. Values joined by an edge that a gradient takes
 * are of one block; as each of them reaches a root, this is the same as joining roots that share an
 * upstream value.
 */
#include "core/nn/graph.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/nn/graph_impl.h"

bool opu_graph_cuts(const struct opu_graph *graph, const struct opu_value *value)
{
    return value->op == &opu_op_tap && graph->plan.method != OPU_METHOD_BP;
}

/* A tap whose gradient the caller writes. */
static bool is_fed(const struct opu_graph *graph, const struct opu_value *value)
{
    return value->op == &opu_op_tap && graph->plan.method == OPU_METHOD_DFA;
}

static bool is_loss(const struct opu_value *value)
{
    return value->op != NULL && (value->op->flags & OPU_OP_LOSS) != 0;
}

/* The twin of the alignment wants gradients at its taps and none of parameters; back-propagation's
 * taps are always told the gradient that arrives. */
static void find_dependence(struct opu_graph *graph)
{
    const struct opu_graph_plan *const plan = &graph->plan;
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        value->depends = value->kind == OPU_VALUE_PARAM && !plan->no_param_grads;
        for (size_t k = 0; k < value->n_in; k++) {
            value->depends = value->depends || graph->values[value->in[k]].depends;
        }
        if (value->op == &opu_op_tap) {
            value->depends = plan->method == OPU_METHOD_BP;
        }
    }
}

static void find_wanted(struct opu_graph *graph)
{
    for (size_t i = graph->n_values; i-- > 0;) {
        struct opu_value *const value = &graph->values[i];
        bool const cut = opu_graph_cuts(graph, value);
        bool const root = (int)i == graph->loss || is_fed(graph, value);
        /* wants_grad still holds "a root is downstream" of this value */
        bool const passes = root || (value->wants_grad && !cut);
        for (size_t k = 0; passes && k < value->n_in; k++) {
            graph->values[value->in[k]].wants_grad = true;
        }
        value->wants_grad = value->wants_grad && value->depends;
    }
}

static int find_set(struct opu_graph *graph, int i)
{
    while (graph->values[i].set != i) {
        i = graph->values[i].set;
    }
    return i;
}

/* Whether a node hands gradients to what it reads. */
static bool hands_down(const struct opu_value *value)
{
    return is_loss(value) || value->wants_grad;
}

static void join_blocks(struct opu_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        value->set = (int)i;
        if (opu_graph_cuts(graph, value) || !hands_down(value)) {
            continue;
        }
        for (size_t k = 0; k < value->n_in; k++) {
            if (graph->values[value->in[k]].wants_grad) {
                graph->values[find_set(graph, value->in[k])].set = (int)i;
            }
        }
    }
}

/* The head is 0; the others count from the last tap down. */
static void number_blocks(struct opu_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i].block = OPU_NO_BLOCK;
    }
    graph->n_blocks = 1;
    graph->values[find_set(graph, graph->loss)].block = 0;
    for (size_t t = graph->n_taps; t-- > 0;) {
        const struct opu_value *const tap = &graph->values[graph->tap_values[t]];
        int const below = tap->in[0];
        struct opu_value *const root = &graph->values[find_set(graph, below)];
        if (graph->values[below].wants_grad && root->block == OPU_NO_BLOCK) {
            root->block = graph->n_blocks++;
        }
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        if (value->wants_grad || (int)i == graph->loss) {
            value->block = graph->values[find_set(graph, (int)i)].block;
        }
    }
}

/* Which block's backward calls a node; every gradient starts with memory of its own. */
static void assign_nodes(struct opu_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        value->grad_of = (int)i;
        value->runs_in = OPU_NO_BLOCK;
        if (graph->plan.backward && is_fed(graph, value)) {
            value->runs_in = graph->values[value->in[0]].block;
        } else if (graph->plan.backward && value->kind == OPU_VALUE_NODE && hands_down(value)) {
            value->runs_in = value->block;
        }
    }
}

/* How many gradients are given to a value. */
static size_t givers(const struct opu_graph *graph, int of)
{
    size_t n = 0;
    for (size_t i = (size_t)of + 1; i < graph->n_values; i++) {
        const struct opu_value *const value = &graph->values[i];
        for (size_t k = 0; value->runs_in != OPU_NO_BLOCK && k < value->n_in; k++) {
            n += value->in[k] == of;
        }
    }
    return n;
}

/* Where the only gradient to arrive at a value is one that somebody merely passes down, the value
 * takes the memory of that one, and the node need not run. */
static void share_gradients(struct opu_graph *graph)
{
    for (size_t i = graph->n_values; i-- > 0;) {
        struct opu_value *const value = &graph->values[i];
        if (value->runs_in == OPU_NO_BLOCK) {
            continue;
        }
        struct opu_value *const in = &graph->values[value->in[0]];
        bool const hands_on = is_loss(value) || (value->op->flags & OPU_OP_PASS) != 0;
        /* a parameter's gradient lies with those of its block */
        if (hands_on && in->wants_grad && in->kind == OPU_VALUE_NODE &&
            givers(graph, value->in[0]) == 1) {
            in->grad_of = value->grad_of;
            value->runs_in = OPU_NO_BLOCK;
        }
    }
}

/* In the order of backward the first to give overwrites, the others add. */
static void order_gradients(struct opu_graph *graph)
{
    for (size_t v = 0; v < graph->n_values; v++) {
        bool written = false;
        for (size_t i = graph->n_values; i-- > v;) {
            struct opu_value *const value = &graph->values[i];
            for (size_t k = 0; value->runs_in != OPU_NO_BLOCK && k < value->n_in; k++) {
                if (value->in[k] == (int)v) {
                    value->accumulate[k] = written;
                    written = true;
                }
            }
        }
    }
}

/* A tap's value is its input's; an activation is written over an input that nobody else reads. */
static void share_values(struct opu_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        struct opu_value *const value = &graph->values[i];
        value->data_of = (int)i;
        if (value->kind != OPU_VALUE_NODE) {
            continue;
        }
        const struct opu_value *const in = &graph->values[value->in[0]];
        unsigned const flags = value->op->flags;
        bool const free_to_take =
            in->kind == OPU_VALUE_NODE && in->users == 1 &&
            (in->op->flags & (OPU_OP_READS_OUT | OPU_OP_PASS | OPU_OP_VIEW)) == 0;
        if ((flags & (OPU_OP_PASS | OPU_OP_VIEW)) != 0 ||
            ((flags & OPU_OP_IN_PLACE) != 0 && free_to_take)) {
            value->data_of = in->data_of;
        }
    }
}

static int list_taps(struct opu_graph *graph)
{
    graph->taps = opu_calloc(graph->context, graph->n_taps, sizeof *graph->taps);
    graph->tap_values = opu_calloc(graph->context, graph->n_taps, sizeof *graph->tap_values);
    if (graph->taps == NULL || graph->tap_values == NULL) {
        return OPU_E_NO_MEMORY;
    }
    size_t n = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        if (graph->values[i].op == &opu_op_tap) {
            graph->tap_values[n++] = (int)i;
        }
    }
    return OPU_OK;
}

static int check(const struct opu_graph *graph, const struct opu_graph_plan *plan)
{
    if (graph->status != OPU_OK) {
        return opu_fail(graph->status, "%s", graph->message);
    }
    if (graph->planned) {
        return opu_fail(OPU_E_INVALID, "graph: planned a second time");
    }
    if (plan == NULL || plan->size != sizeof *plan) {
        return opu_fail(OPU_E_INVALID, "graph: a plan of size %zu, wanted %zu",
                        plan == NULL ? 0 : plan->size, sizeof *plan);
    }
    if (plan->method < OPU_METHOD_BP || plan->method > OPU_METHOD_SHALLOW || plan->max_rows == 0) {
        return opu_fail(OPU_E_INVALID,
                        "graph: method %d and %zu rows, wanted a method of 0 to 2 and at least "
                        "one row",
                        (int)plan->method, plan->max_rows);
    }
    if (plan->backward && graph->loss < 0) {
        return opu_fail(OPU_E_INVALID, "graph: a backward plan without a loss");
    }
    if (plan->params_of != NULL && !plan->params_of->planned) {
        return opu_fail(OPU_E_INVALID, "graph: the graph that shares its parameters isn't planned");
    }
    if (plan->no_param_grads && plan->method != OPU_METHOD_BP) {
        return opu_fail(OPU_E_INVALID,
                        "graph: a plan without parameter gradients that isn't back-propagation");
    }
    return OPU_OK;
}

/* e has to be somewhere in the head, and in memory of its own: packed, and safe from feedback. */
static int check_error(const struct opu_graph *graph)
{
    if (graph->error_value < 0 || !graph->plan.backward) {
        return OPU_OK;
    }
    const struct opu_value *const value = &graph->values[graph->error_value];
    if (!value->wants_grad || value->block != 0 || value->kind != OPU_VALUE_NODE ||
        value->grad_of != graph->error_value) {
        return opu_fail(OPU_E_INVALID,
                        "graph: the error is to be taken at value %d, wanted a result above the "
                        "taps that moves with a trained parameter",
                        graph->error_value);
    }
    return OPU_OK;
}

int opu_graph_analyse(struct opu_graph *graph)
{
    if (graph->loss >= 0 && graph->error_value == graph->values[graph->loss].in[0]) {
        graph->error_value = -1;
    }
    OPU_TRY(list_taps(graph));
    if (graph->plan.backward) {
        find_dependence(graph);
        find_wanted(graph);
        join_blocks(graph);
        number_blocks(graph);
    }
    assign_nodes(graph);
    share_gradients(graph);
    order_gradients(graph);
    share_values(graph);
    return check_error(graph);
}

int opu_graph_plan(struct opu_graph *graph, const struct opu_graph_plan *plan)
{
    OPU_TRY(check(graph, plan));
    graph->planned = true;
    graph->plan = *plan;
    OPU_TRY(opu_graph_analyse(graph));
    OPU_TRY(opu_graph_lay_out(graph));
    return opu_graph_weigh(graph);
}
