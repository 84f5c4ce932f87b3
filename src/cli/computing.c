/* computing.c - a computation on a terminal. */
#include "cli/computing.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum { QUIET_MS = 700, BAR = 30, MOST_SHOWN = 20 };
#define KEEP_BYTES ((uint64_t)512 << 20)  /* decoded chunks for who reads them again: somebody waits, and the program has the process for itself */

static cr_context *running;
static cr_unreadable *unreadable;
static struct sigaction before;

static void interrupted(int signal_number) {
    (void)signal_number;
    cr_context_cancel(running);
}

/* Short work shows nothing; then a bar with the time left. A computation of several phases begins anew for each, so time is counted
 * from there. */
static void show_progress(void *user, double done, double total, int phase, int n_phases) {
    static int64_t begun, phase_begun;
    static int last_phase = -1;
    static bool shown;
    char left[24] = "";
    int64_t now = cr_now_ms();
    (void)user;
    if (begun == 0 || (phase == 0 && last_phase > 0))
        begun = now;
    if (phase != last_phase) {
        phase_begun = now;
        last_phase = phase;
    }
    double share = total > 0 ? done / total : 1;
    int full = (int)(share * BAR);
    if (!shown && now - begun < QUIET_MS)
        return;
    shown = true;
    if (share > 0.02)
        cr_text_duration((int64_t)((double)(now - phase_begun) * (1 - share) / share), left, sizeof left);
    fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %s left", full, "##############################", BAR - full, "", 100 * share,
            *left ? left : "?");
    if (n_phases > 1)
        fprintf(stderr, ", phase %d of %d", phase + 1, n_phases);
    fputs("\033[K", stderr);
    if (done >= total) {
        fputs("\r\033[K", stderr);    /* the line is free for what comes */
        shown = false;
        begun = 0;
    }
    fflush(stderr);
}

static cr_status begin_list(const char *choice, cr_err *err) {
    if (!choice || strcmp(choice, "error") == 0)
        return CR_OK;
    if (strcmp(choice, "missing") != 0)
        return CR_FAIL(err, CR_INVALID, "--unreadable is error or missing, not \"%.80s\"", choice);
    return cr_unreadable_new(&unreadable, err);
}

static void end_list(void) {
    cr_cli_screen screen;
    cr_auto_buf cr_buf b;
    int n = unreadable ? cr_unreadable_count(unreadable) : 0;
    bool more = unreadable && cr_unreadable_more(unreadable);
    cr_buf_init(&b, 1 << 20);
    cr_cli_screen_of(stderr, &screen);
    if (n > 0 || more)
        cr_buf_addf(&b, "craton: %s%d chunk%s could not be read, and %s missing values:\n", more ? "more than " : "", n, n == 1 ? "" : "s",
                    n == 1 ? "is" : "are");
    for (int i = 0; i < n && i < MOST_SHOWN; i++) {
        cr_buf_adds(&b, "  ");
        cr_cli_text(&b, cr_unreadable_text(unreadable, i), 0, screen.utf8);
        cr_buf_addc(&b, '\n');
    }
    if (n > MOST_SHOWN)
        cr_buf_addf(&b, "  and %d more\n", n - MOST_SHOWN);
    fputs(cr_buf_str(&b), stderr);
    cr_unreadable_unref(unreadable);
    unreadable = NULL;
}

cr_unreadable *cr_session_unreadable(void) { return unreadable; }

cr_status cr_session_begin(const cr_session_options *options, cr_context **ret_context, cr_err *err) {
    if (options->threads < 0 || options->threads > 1024)
        return CR_FAIL(err, CR_INVALID, "threads are 0 to 1024");
    cr_context_options limits = {.threads = (int)options->threads, .memory_limit_bytes = options->memory_bytes, .simd_level = -1,
                                 .cancel_stays = true, .keep_bytes = KEEP_BYTES};
    limits.progress = !options->quiet && isatty(STDERR_FILENO) ? show_progress : NULL;
    CR_TRY(begin_list(options->unreadable, err));
    CR_TRY(cr_context_new(&limits, ret_context, err));
    struct sigaction action = {.sa_handler = interrupted};
    running = *ret_context;
    sigemptyset(&action.sa_mask);
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, &before);
    return CR_OK;
}

void cr_session_end(cr_context *c) {
    sigaction(SIGINT, &before, NULL);
    running = NULL;
    cr_context_free(c);
    end_list();
}

const char *cr_format_of_name(const char *path) {
    static const char *const netcdf[] = {".nc", ".nc4", ".cdf", ".h5"};
    for (size_t k = 0; k < CR_ARRAY_LEN(netcdf); k++)
        if (cr_ends_with(path, netcdf[k]))
            return "netcdf4";
    return cr_ends_with(path, ".zarr") || cr_ends_with(path, ".zarr/") ? "zarr3" : NULL;
}

void cr_cli_note(const char *note, bool quiet) {
    cr_cli_screen screen;
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 64 << 10);
    if (!note || quiet)
        return;
    cr_cli_screen_of(stderr, &screen);
    cr_cli_text(&b, note, 0, screen.utf8);
    fprintf(stderr, "craton: %s\n", cr_buf_str(&b));
}
