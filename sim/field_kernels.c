/* SPDX-License-Identifier: MIT */
/*
 * Sums of the columns that are on, for some blocks of 64 outputs and many patterns. A stretch of
 * inputs is summed in one of two ways, pattern by pattern, to the same bits (sim/matrix.h):
 *
 * - from tables of the 16 subset sums of each group of four inputs: one addition a group whatever
 *   is on, but the tables must be filled first;
 * - from the list of the mirrors that are on, each group's sum formed on the spot.
 */
#include "sim/field_kernels.h"

#include "core/base/isa.h"

#include <string.h>

/* One vector register. The compiler keeps arrays of them in registers, as it does not always with
 * loops over plain floats. */
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* Sums that stay in registers: from tables 64 floats (4 or 8 registers; 8 of SSE's), so that the
 * tables of eight groups, 32 KiB, stay in the first-level cache; from lists 8 registers, and as
 * many for the group's sum. */
#define TABLE_FLOATS (LANES >= 8 ? 64 : 32)
#define TABLE_LANES (TABLE_FLOATS / LANES)
#define LIST_LANES 8
#define LIST_FLOATS (LIST_LANES * LANES)

#define CACHE_LINE 16 /* floats */

#define GROUP 4    /* inputs */
#define SUBSETS 16 /* of a group */
#define TABLES 8   /* groups whose tables are at hand: half a word */

/* What the ways cost for a block, in units that only compare; measured with 8 vectors a mirror from
 * the second-level cache. They decide which way, not which bits. */
#define COST_GROUP 5    /* one pattern's addition from a table */
#define COST_TABLE 270  /* filling it */
#define COST_PATTERN 60 /* starting a list ... */
#define COST_MIRROR 8   /* ... and each mirror on it */

/* A buffer of lists: those of 64 patterns with all mirrors on, or of all patterns at an eighth. */
#define LIST_ENTRIES (64 * 64 * OPU_FIELD_WORDS)

struct tables {
    _Alignas(64) float sum[TABLES][SUBSETS][TABLE_FLOATS];
};

struct bits {
    /* Of those by table; rows in different cache sets. */
    uint64_t word[OPU_FIELD_WORDS][OPU_FIELD_PATTERNS + 8];
    uint32_t n_on[OPU_FIELD_PATTERNS]; /* in the stretch */
    uint16_t by_table[OPU_FIELD_PATTERNS], by_list[OPU_FIELD_PATTERNS];
    size_t n_by_table, n_by_list;
    size_t n_listed; /* mirrors on in all of those by list */
};

static inline lanes load(const float *from)
{
    lanes x;
    memcpy(&x, from, sizeof(x));
    return x;
}

static inline void store(float *to, lanes x)
{
    memcpy(to, &x, sizeof(x));
}

/* Inputs 64 w .. 64 w + 63 of a pattern, bit k for input 64 w + k; bits beyond n_inputs are 0. */
static inline uint64_t pattern_word(const uint8_t *bits, size_t w, size_t n_inputs)
{
    size_t const left = n_inputs - 64 * w;
    uint64_t word = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (left >= 64) {
        memcpy(&word, bits + 8 * w, sizeof(word));
        return word;
    }
#endif
    size_t const bytes = left >= 64 ? 8 : (left + 7) / 8;
    for (size_t k = 0; k < bytes; ++k) {
        word |= (uint64_t)bits[8 * w + k] << (8 * k);
    }
    return left >= 64 ? word : word & ((UINT64_C(1) << left) - 1);
}

/* Inputs of the stretch. */
static inline size_t stretch(const struct opu_field_part *part)
{
    size_t const left = part->n_inputs - part->first_word * 64;
    return left < part->n_words * 64 ? left : part->n_words * 64;
}

static inline const uint8_t *pattern_row(const struct opu_field_part *part, size_t p)
{
    return part->patterns.bits + part->patterns.frame[p] * part->row_bytes;
}

static inline uint64_t part_word(const struct opu_field_part *part, const uint8_t *row, size_t w)
{
    return pattern_word(row, part->first_word + w, part->n_inputs);
}

static void count_mirrors(struct bits *bits, const struct opu_field_part *part)
{
    for (size_t p = 0; p < part->patterns.n; ++p) {
        const uint8_t *const row = pattern_row(part, p);
        uint32_t n_on = 0;
        for (size_t w = 0; w < part->n_words; ++w) {
            n_on += (uint32_t)__builtin_popcountll(part_word(part, row, w));
        }
        bits->n_on[p] = n_on;
    }
}

static void read_words(struct bits *bits, const struct opu_field_part *part)
{
    for (size_t k = 0; k < bits->n_by_table; ++k) {
        size_t const p = bits->by_table[k];
        const uint8_t *const row = pattern_row(part, p);
        for (size_t w = 0; w < part->n_words; ++w) {
            bits->word[w][p] = part_word(part, row, w);
        }
    }
}

/* Tables are filled where what they save is more than they cost. */
static void choose_ways(struct bits *bits, const struct opu_field_part *part)
{
    size_t const n_groups = (stretch(part) + GROUP - 1) / GROUP;
    size_t const by_table = n_groups * COST_GROUP;
    size_t saved = 0;
    for (size_t p = 0; p < part->patterns.n; ++p) {
        size_t const by_list = COST_PATTERN + COST_MIRROR * (size_t)bits->n_on[p];
        saved += by_list > by_table ? by_list - by_table : 0;
    }
    bool const tables = saved > n_groups * COST_TABLE;
    bits->n_by_table = 0;
    bits->n_by_list = 0;
    bits->n_listed = 0;
    for (size_t p = 0; p < part->patterns.n; ++p) {
        size_t const by_list = COST_PATTERN + COST_MIRROR * (size_t)bits->n_on[p];
        if (tables && by_list > by_table) {
            bits->by_table[bits->n_by_table++] = (uint16_t)p;
        } else if (bits->n_on[p] > 0 || part->start != NULL) {
            bits->by_list[bits->n_by_list++] = (uint16_t)p;
            bits->n_listed += bits->n_on[p];
        }
    }
}

/* Subset sums of n <= 4 columns: those with column h are those of the columns before it, plus it.
 */
static inline void fill_table(float sum[restrict SUBSETS][TABLE_FLOATS],
                              const float *restrict columns, size_t n)
{
    for (size_t h = 0; h < n; ++h) {
        lanes column[TABLE_LANES];
        for (int v = 0; v < TABLE_LANES; ++v) {
            column[v] = load(columns + h * OPU_BLOCK_FLOATS + v * LANES);
            store(&sum[(size_t)1 << h][v * LANES], column[v]);
        }
        for (size_t rest = 1; rest < (size_t)1 << h; ++rest) {
            for (int v = 0; v < TABLE_LANES; ++v) {
                store(&sum[((size_t)1 << h) + rest][v * LANES],
                      load(&sum[rest][v * LANES]) + column[v]);
            }
        }
    }
}

static void fill_tables(struct tables *tables, const float *columns, size_t n)
{
    for (size_t g = 0; g * GROUP < n; ++g) {
        const float *const group = columns + g * GROUP * OPU_BLOCK_FLOATS;
        if (n - g * GROUP >= GROUP) {
            fill_table(tables->sum[g], group, GROUP);
        } else {
            fill_table(tables->sum[g], group, n - g * GROUP);
        }
    }
}

/* sum = from + the subsets that a half word names, group by group */
static inline void add_subsets(float *sum, const float *from, const struct tables *restrict tables,
                               uint32_t half)
{
    lanes acc[TABLE_LANES];
    for (int v = 0; v < TABLE_LANES; ++v) {
        acc[v] = load(from + v * LANES);
    }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 8
#endif
    for (int g = 0; g < TABLES; ++g) {
        const float *const subset = tables->sum[g][half >> (GROUP * g) & (SUBSETS - 1)];
        for (int v = 0; v < TABLE_LANES; ++v) {
            acc[v] += load(subset + v * LANES);
        }
    }
    for (int v = 0; v < TABLE_LANES; ++v) {
        store(sum + v * LANES, acc[v]);
    }
}

/* All that go by table, one strip of TABLE_FLOATS of a block. */
static void add_by_table(const struct opu_field_part *part, const struct bits *bits,
                         struct tables *tables, size_t block, size_t v)
{
    const float *const columns = part->columns + block * part->block_floats + v;
    float *const field = part->field + block * OPU_BLOCK_FLOATS + v;
    const float *const start =
        part->start != NULL ? part->start + block * OPU_BLOCK_FLOATS + v : NULL;
    size_t const n = stretch(part);
    for (size_t first = 0; first < n; first += TABLES * GROUP) {
        size_t const left = n - first;
        fill_tables(tables, columns + first * OPU_BLOCK_FLOATS,
                    left < TABLES * GROUP ? left : TABLES * GROUP);
        for (size_t k = 0; k < bits->n_by_table; ++k) {
            size_t const p = bits->by_table[k];
            uint32_t const half = (uint32_t)(bits->word[first / 64][p] >> first % 64);
            float *const sum = field + p * part->stride;
            if (first == 0 && start != NULL) {
                add_subsets(sum, start, tables, half);
            } else if (half != 0) {
                add_subsets(sum, sum, tables, half);
            }
        }
    }
}

/* The mirrors of a pattern that are on, and an end that is in no group; writes up to 3 more. Two of
 * each word, on or not, then two at a time: few branches to guess. */
static size_t list_mirrors(uint16_t *list, const struct opu_field_part *part, size_t p)
{
    const uint8_t *const row = pattern_row(part, p);
    size_t n = 0;
    for (size_t w = 0; w < part->n_words; ++w) {
        uint64_t word = part_word(part, row, w);
        size_t const end = n + (size_t)__builtin_popcountll(word);
        do {
            for (size_t k = 0; k < 2; ++k) {
                int const bit = __builtin_ctzll(word | UINT64_C(1) << 63);
                list[n + k] = (uint16_t)(64 * w + (size_t)bit);
                word &= word - 1;
            }
            n += 2;
        } while (n < end);
        n = end;
    }
    list[n] = UINT16_MAX;
    return n;
}

/* sum = from + the columns on the list, first each group's sum */
static inline void add_listed(float *sum, const float *from, const float *restrict columns,
                              const uint16_t *restrict list, size_t n)
{
    lanes acc[LIST_LANES];
    for (int v = 0; v < LIST_LANES; ++v) {
        acc[v] = load(from + v * LANES);
    }
    for (size_t i = 0; i < n; ++i) {
        const float *column = columns + (size_t)list[i] * OPU_BLOCK_FLOATS;
        lanes subset[LIST_LANES];
        for (int v = 0; v < LIST_LANES; ++v) {
            subset[v] = load(column + v * LANES);
        }
        while (list[i + 1] / GROUP == list[i] / GROUP) {
            column = columns + (size_t)list[++i] * OPU_BLOCK_FLOATS;
            for (int v = 0; v < LIST_LANES; ++v) {
                subset[v] += load(column + v * LANES);
            }
        }
        for (int v = 0; v < LIST_LANES; ++v) {
            acc[v] += subset[v];
        }
    }
    for (int v = 0; v < LIST_LANES; ++v) {
        store(sum + v * LANES, acc[v]);
    }
}

/* Columns of the next block that are asked for while this one's are added, a few with each pattern:
 * where a hundredth of the mirrors are on, memory takes as long to send them as they to add. */
struct ahead {
    const float *columns; /* [n][OPU_BLOCK_FLOATS], or NULL and n = 0 */
    size_t n, n_patterns;
    size_t asked, due; /* columns; and parts of a column, n_patterns to one */
};

/* Nothing ahead where most columns would be fetched in vain. */
static struct ahead look_ahead(const struct opu_field_part *part, const struct bits *bits,
                               size_t block, size_t n_patterns)
{
    bool const wanted = bits->n_listed >= stretch(part) && block < part->n_blocks;
    return (struct ahead){.columns = wanted ? part->columns + block * part->block_floats : NULL,
                          .n = wanted ? stretch(part) : 0,
                          .n_patterns = n_patterns};
}

static inline void ask_ahead(struct ahead *ahead)
{
    for (ahead->due += ahead->n; ahead->due >= ahead->n_patterns; ahead->due -= ahead->n_patterns) {
        const float *const column = ahead->columns + ahead->asked++ * OPU_BLOCK_FLOATS;
        for (size_t v = 0; v < OPU_BLOCK_FLOATS; v += CACHE_LINE) {
            __builtin_prefetch(column + v, 0, 2);
        }
    }
}

/* Patterns [first, end) of those by list, whose lists lie one after another. */
static void add_lists(const struct opu_field_part *part, const struct bits *bits, size_t first,
                      size_t end, const uint16_t *lists)
{
    for (size_t block = 0; block < part->n_blocks; ++block) {
        const float *const columns = part->columns + block * part->block_floats;
        struct ahead ahead = look_ahead(part, bits, block + 1, end - first);
        const uint16_t *list = lists;
        for (size_t k = first; k < end; ++k) {
            size_t const p = bits->by_list[k];
            float *const field = part->field + p * part->stride + block * OPU_BLOCK_FLOATS;
            const float *const from =
                part->start != NULL ? part->start + block * OPU_BLOCK_FLOATS : field;
            ask_ahead(&ahead);
            for (size_t v = 0; v < OPU_BLOCK_FLOATS; v += LIST_FLOATS) {
                add_listed(field + v, from + v, columns + v, list, bits->n_on[p]);
            }
            list += bits->n_on[p] + 1;
        }
    }
}

static void add_by_list(const struct opu_field_part *part, const struct bits *bits)
{
    uint16_t lists[LIST_ENTRIES + OPU_FIELD_PATTERNS + 4];
    struct ahead ahead = look_ahead(part, bits, 0, bits->n_by_list);
    size_t first = 0;
    while (first < bits->n_by_list) {
        size_t used = 0;
        size_t end = first;
        while (end < bits->n_by_list && used + 64 * OPU_FIELD_WORDS <= LIST_ENTRIES) {
            ask_ahead(&ahead);
            used += list_mirrors(lists + used, part, bits->by_list[end++]) + 1;
        }
        add_lists(part, bits, first, end, lists);
        first = end;
    }
}

void OPU_KERNEL(opu_field_add)(const struct opu_field_part *part)
{
    struct bits bits;
    count_mirrors(&bits, part);
    choose_ways(&bits, part);
    if (bits.n_by_table > 0) {
        struct tables tables;
        read_words(&bits, part);
        for (size_t g = 0; g < TABLES; ++g) {
            memset(tables.sum[g][0], 0, sizeof(tables.sum[g][0]));
        }
        for (size_t block = 0; block < part->n_blocks; ++block) {
            for (size_t v = 0; v < OPU_BLOCK_FLOATS; v += TABLE_FLOATS) {
                add_by_table(part, &bits, &tables, block, v);
            }
        }
    }
    if (bits.n_by_list > 0) {
        add_by_list(part, &bits);
    }
}
