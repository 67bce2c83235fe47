/* SPDX-License-Identifier: MIT */
/*
 * opu compare: the arms that are trained (a method, and the values of the knobs swept), a run of
 * each for every seed, and what they came to.
 */
#ifndef OPU_TOOLS_COMPARE_H
#define OPU_TOOLS_COMPARE_H

#include "tools/html.h"
#include "tools/train_setup.h"

enum {
    COMPARE_MAX_VALUES = 64, /* of one sweep */
    COMPARE_MAX_SWEEPS = 2,
    COMPARE_MAX_ARMS = 256,
    COMPARE_MAX_SEEDS = 100,
    COMPARE_MAX_TAPS = 16
};

struct compare_options {
    const char *device, *out, *data, *methods;
    struct cli_uint seeds, epochs;
    struct cli_list set, sweep;
    bool dry_run;
};

enum compare_method {
    COMPARE_BP = 0,
    COMPARE_EXACT = 1,
    COMPARE_OPTICAL = 2,
    COMPARE_SHALLOW = 3,
    COMPARE_N_METHODS = 4
};

struct compare_name {
    const char *name;  /* in --methods and folders */
    const char *label; /* in tables */
    const char *train; /* value of train.method */
};
extern const struct compare_name compare_names[COMPARE_N_METHODS];

/* A knob and the values it takes. */
struct compare_sweep {
    char key[128];
    size_t n;
    char value[COMPARE_MAX_VALUES][OPU_OPTION_TEXT_SIZE];
};

struct compare_arm {
    enum compare_method method;
    bool swept; /* at holds indices into the sweeps' values */
    size_t at[COMPARE_MAX_SWEEPS];
    char label[96];
    struct opu_train_config *config; /* but for train.seed */
    char *signature;                 /* all keys that decide the result, as text */
};

struct compare_tap {
    char name[64];
    double best, last; /* cosine with back-propagation's gradient, over epochs and at the end */
    double *mean;      /* [n_epochs] the same; NaN where it was not measured */
};

/* What a run came to, as its folder tells. */
struct compare_figures {
    double test_accuracy, test_loss, seconds, rows_per_second;
    double frames, optical_s, optical_j, saturated_share;
    size_t n_taps;
    struct compare_tap taps[COMPARE_MAX_TAPS];
    size_t n_epochs;
    double *epoch, *accuracy, *loss; /* [n_epochs], on the test rows */
};

enum compare_state {
    COMPARE_NEW = 0,
    COMPARE_PART = 1,   /* stopped on the way: it is resumed */
    COMPARE_DONE = 2,   /* read back from its folder */
    COMPARE_FAILED = 3, /* diverged, or the device's matrix went away; why says so */
};

struct compare_run {
    size_t arm;
    uint64_t seed;
    char *dir;
    enum compare_state state;
    bool kept;     /* ended before this command */
    double wall_s; /* of training here, 0 if kept */
    char why[256];
    struct compare_figures figures;
};

struct comparison {
    struct cli *cli;
    const struct compare_options *wish;
    const char *source;   /* PRESET or FILE.ini, as given */
    struct training base; /* preset's name and configuration, with the options on top */
    char dir[RUN_PATH_SIZE];
    size_t n_seeds, n_sweeps, n_arms, n_done;
    struct compare_sweep *sweeps; /* [COMPARE_MAX_SWEEPS] */
    struct compare_arm *arms;
    struct compare_run *runs; /* [n_arms][n_seeds] */
    struct cli_progress progress;
    size_t now;     /* run under way */
    size_t n_taken; /* runs begun, kept ones included */
};

/* compare_sweep.c: "KEY=1..12", "KEY=0,10,30", "KEY=1e-4..1e-2*10". OPU_E_INVALID. */
OPU_NODISCARD int compare_sweep_parse(struct compare_sweep *sweep, const char *text);

/*
 * compare_plan.c: arms, runs and folders from the words; every value is set once, so that an
 * impossible one is refused here. compare_plan_free() after either outcome.
 */
OPU_NODISCARD int compare_plan(struct comparison *c);
void compare_plan_free(struct comparison *c);

/* The key's value in the arm's configuration, "?" if there is none. @return text */
const char *compare_get(const struct compare_arm *arm, const char *key,
                        char text[OPU_OPTION_TEXT_SIZE]);

/*
 * compare_look.c: reads what the folders hold already. OPU_E_MISMATCH where it is of another
 * configuration; the sentence names the key.
 */
OPU_NODISCARD int compare_look(struct comparison *c);

/* Whether there is nothing left to train: done, or ended without a result. */
bool compare_ended(const struct compare_run *run);

/* Fills the run's figures from its folder; state becomes COMPARE_DONE. */
OPU_NODISCARD int compare_read(const struct comparison *c, struct compare_run *run);

/* Opens every device and builds every trainer that is wanted, without a step. *place: whose fault.
 */
OPU_NODISCARD int compare_try(struct comparison *c, enum cli_place *place);

/*
 * compare_run.c: trains what is not done. OPU_E_CANCELLED after Ctrl-C; a run that diverges is
 * marked and left.
 */
OPU_NODISCARD int compare_train(struct comparison *c);

/* compare_stat.c */

struct compare_stat {
    size_t n;         /* finite values */
    double mean, std; /* std: of the sample (n - 1), NaN below two; mean NaN without any */
};

/* A member of struct compare_figures, a double at `offset`, over an arm's seeds. */
struct compare_stat compare_stat_of(const struct comparison *c, size_t arm, size_t offset);
#define COMPARE_STAT(c, arm, member) \
    compare_stat_of(c, arm, offsetof(struct compare_figures, member))

/* Accuracy of arm a less arm b's, seed by seed. */
struct compare_stat compare_difference(const struct comparison *c, size_t a, size_t b);

/* Of a tap's cosine, the best over epochs or the last. */
struct compare_stat compare_tap_stat(const struct comparison *c, size_t arm, size_t tap, bool best);

/* How many taps the arm's first finished run has, and that run; NULL: none is finished. */
const struct compare_run *compare_first_done(const struct comparison *c, size_t arm);

/* The pairs worth a line: arms a, b and a label. @return how many */
size_t compare_pairs(const struct comparison *c, size_t pairs[][2], size_t room);

/* "88.31 +- 0.12", "88.31", "-". */
void compare_format(char *text, size_t n, const struct compare_stat *stat, double scale,
                    int decimals);

/* What tables say of an arm; "-" where there is nothing to say. */
struct compare_words {
    char accuracy[64], loss[64]; /* on the test rows; per cent */
    char time[32];               /* of training here */
    char frames[32], light[32], energy[32], saturated[32];
};
struct compare_words compare_words(const struct comparison *c, size_t arm);

/* compare_table.c: for people, for machines, for spreadsheets. */
void compare_print(const struct comparison *c);
json_t *compare_json(const struct comparison *c);
OPU_NODISCARD int compare_write_csv(const struct comparison *c);

/* compare_page.c: DIR/compare.html. */
OPU_NODISCARD int compare_write_page(const struct comparison *c);

#define COMPARE_PAGE "compare.html"
#define COMPARE_CSV "compare.csv"

#endif
