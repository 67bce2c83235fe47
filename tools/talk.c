/* SPDX-License-Identifier: MIT */
/* What the command says: failures and their exit codes, JSON documents, log lines, progress bars.
 */
#include "tools/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* One row a status. OPU_E_NOT_FOUND depends on what was looked for: see cli_exit_code(). */
static const struct {
    int status;
    enum cli_exit code;
} exits[] = {
    {OPU_OK, CLI_OK},
    {OPU_E_INVALID, CLI_USAGE},
    {OPU_E_NO_MEMORY, CLI_FAILURE},
    {OPU_E_NOT_FOUND, CLI_DATA},
    {OPU_E_BUSY, CLI_DEVICE},
    {OPU_E_IO, CLI_FAILURE},
    {OPU_E_FORMAT, CLI_DATA},
    {OPU_E_UNSUPPORTED, CLI_DEVICE},
    {OPU_E_DEVICE, CLI_DEVICE},
    {OPU_E_TIMEOUT, CLI_DEVICE},
    {OPU_E_CANCELLED, CLI_INTERRUPTED},
    {OPU_E_GONE, CLI_DEVICE},
    {OPU_E_MATRIX_CHANGED, CLI_DEVICE},
    {OPU_E_NUMERIC, CLI_DATA},
    {OPU_E_MISMATCH, CLI_DATA},
};

static const enum cli_exit not_found[] = {
    [CLI_AT_DEVICE] = CLI_DEVICE, [CLI_AT_DATA] = CLI_DATA, [CLI_AT_USAGE] = CLI_USAGE};

int cli_exit_code(enum cli_place place, int status)
{
    if (status == OPU_E_NOT_FOUND) {
        return (int)not_found[place];
    }
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        if (exits[i].status == status) {
            return (int)exits[i].code;
        }
    }
    return CLI_FAILURE;
}

void cli_say(const struct cli *cli, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "opu%s%s: ", cli->command != NULL ? " " : "",
            cli->command != NULL ? cli->command->name : "");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

json_t *cli_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_json_new(const struct cli *cli)
{
    return json_pack("{s:i, s:s}", "schema", 1, "command",
                     cli->command != NULL ? cli->command->name : "");
}

int cli_json_write(struct cli *cli, json_t *document)
{
    char *const text =
        document != NULL ? json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(document);
    if (text == NULL) {
        cli_say(cli, "no memory for the JSON document");
        return CLI_FAILURE;
    }
    puts(text);
    free(text);
    cli->document_written = true;
    return CLI_OK;
}

int cli_fail(struct cli *cli, enum cli_place place, int status)
{
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s", opu_error_message());
    if (sentence[0] == 0) {
        snprintf(sentence, sizeof sentence, "%s", opu_status_name(status));
    }
    cli_say(cli, "%s", sentence);
    if (cli->json && !cli->document_written) {
        json_t *const document = cli_json_new(cli);
        json_t *const text = json_string(sentence);
        json_object_set_new(document, "error",
                            json_pack("{s:s, s:o}", "status", opu_status_name(status), "message",
                                      text != NULL ? text : json_string("(not UTF-8)")));
        cli_json_write(cli, document);
    }
    return cli_exit_code(place, status);
}

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* OPU_LOG="info" or "sim:debug,train:info"; the filter stays as it is once set at start. */
static struct {
    int all; /* level of components that aren't named */
    struct {
        char name[32];
        int level;
    } component[8];
    size_t n;
    double start_s;
} filter;

static int level_of(const char *name, size_t length)
{
    for (int i = 0; i < 4; i++) {
        if (strlen(level_names[i]) == length && strncmp(level_names[i], name, length) == 0) {
            return i;
        }
    }
    return -1;
}

static void write_record(void *user, const struct opu_log_record *record)
{
    (void)user;
    int wanted = filter.all;
    for (size_t i = 0; i < filter.n; i++) {
        if (strcmp(filter.component[i].name, record->component) == 0) {
            wanted = filter.component[i].level;
        }
    }
    if ((int)record->level <= wanted) {
        fprintf(stderr, "[%8.3f] %-7s %s: %s\n", record->time_s - filter.start_s,
                level_names[record->level], record->component, record->message);
    }
}

struct opu_log_sink cli_log_sink(const struct cli *cli)
{
    const char *const wish = getenv("OPU_LOG");
    filter.all = cli->verbosity == 0 ? OPU_LOG_WARNING
                                     : (cli->verbosity == 1 ? OPU_LOG_INFO : OPU_LOG_DEBUG);
    filter.start_s = cli_seconds();
    int most = filter.all;
    for (const char *at = wish; at != NULL && *at != 0;) {
        size_t const length = strcspn(at, ",");
        size_t const colon = strcspn(at, ":,");
        bool const named = colon < length;
        int const level =
            named ? level_of(at + colon + 1, length - colon - 1) : level_of(at, length);
        if (level < 0) {
            cli_say(cli,
                    "OPU_LOG: '%.*s' is not understood; wanted error, warning, info or debug, "
                    "or such as sim:debug",
                    (int)length, at);
        } else if (!named) {
            filter.all = level;
        } else if (filter.n < 8) {
            snprintf(filter.component[filter.n].name, sizeof filter.component[0].name, "%.*s",
                     (int)colon, at);
            filter.component[filter.n++].level = level;
        }
        most = level > most ? level : most;
        at += length + (at[length] == ',');
    }
    most = filter.all > most ? filter.all : most;
    return (struct opu_log_sink){.max_level = (enum opu_log_level)most, .write = write_record};
}

void cli_progress_begin(const struct cli *cli, struct cli_progress *progress)
{
    struct winsize size;
    *progress = (struct cli_progress){.shown = cli->err_tty, .last_s = -1.0, .width = 80};
    if (progress->shown && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        progress->width = size.ws_col;
    }
}

void cli_progress_draw(struct cli_progress *progress, double share, const char *format, ...)
{
    enum { LONG = 24, SHORT = 8, LINE = 256 };
    int const bar = progress->width >= 110 ? LONG : SHORT;
    char line[LINE];
    double const now = cli_seconds();
    if (!progress->shown || (progress->last_s >= 0.0 && now - progress->last_s < 0.1)) {
        return;
    }
    progress->last_s = now;
    share = share < 0.0 || isnan(share) ? 0.0 : (share > 1.0 ? 1.0 : share);
    int const full = (int)(share * bar);
    int n = snprintf(line, LINE, "[%.*s%.*s] %3.0f%%  ", full, "########################",
                     bar - full, "------------------------", 100.0 * share);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + n, LINE - (size_t)n, format, arguments);
    va_end(arguments);
    /* One column stays free: a full line would wrap on some terminals. */
    fprintf(stderr, "\r\033[K%.*s", progress->width - 1, line);
    fflush(stderr);
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->shown && progress->last_s >= 0.0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    progress->last_s = -1.0;
}

void cli_format_seconds(char *text, size_t n, double seconds)
{
    if (!isfinite(seconds) || seconds < 0.0) {
        snprintf(text, n, "?");
    } else if (seconds >= 3600.0) {
        double const minutes = floor(seconds / 60.0);
        snprintf(text, n, "%.0f h %02.0f min", floor(minutes / 60.0), fmod(minutes, 60.0));
    } else if (seconds >= 100.0) {
        double const whole = floor(seconds + 0.5);
        snprintf(text, n, "%.0f min %02.0f s", floor(whole / 60.0), fmod(whole, 60.0));
    } else {
        cli_format_si(text, n, seconds, "s");
    }
}

void cli_format_si(char *text, size_t n, double value, const char *unit)
{
    static const struct {
        double scale;
        const char *prefix;
    } prefixes[] = {{1e9, "G"},  {1e6, "M"},  {1e3, "k"}, {1.0, ""},
                    {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}};
    size_t const last = sizeof prefixes / sizeof prefixes[0] - 1;
    double const size = fabs(value);
    if (size == 0.0 || !isfinite(value)) {
        snprintf(text, n, "%g %s", value, unit);
        return;
    }
    for (size_t i = 0; i <= last; i++) {
        if (size >= prefixes[i].scale || i == last) {
            snprintf(text, n, "%.3g %s%s", value / prefixes[i].scale, prefixes[i].prefix, unit);
            return;
        }
    }
}
