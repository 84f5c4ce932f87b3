/* profiles.c - the file, and what --check says about it. */
#include "platform/daemon/profiles.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "base/text.h"
#include "platform/daemon/settings_folder.h"

enum { PATH_BYTES = 1200 };

cr_status cr_profiles_load(const cr_config *c, cr_profile_set *ret_set, cr_err *err) {
    char path[PATH_BYTES];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, CR_PROFILE_FILE_MAX + 2);
    snprintf(path, sizeof path, "%s/profiles.yaml", c->state_dir);
    *ret_set = (cr_profile_set){0};
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return CR_OK;
    CR_TRY(cr_settings_file(path, CR_SETTINGS_PLAIN, CR_PROFILE_FILE_MAX, &text, err));
    return cr_profiles_parse(path, cr_buf_str(&text), text.len, ret_set, err);
}

static bool has_kernel(const cr_config *c, const char *name) {
    const char *const roots[] = {c->prefix, "/usr/local", "/usr"};
    const char *const below[] = {"/env/current", "", ""};
    for (size_t i = 0; i < CR_ARRAY_LEN(roots); i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s%s/share/jupyter/kernels/%s/kernel.json", roots[i], below[i], name);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static void describe_kernels(const cr_config *c, const cr_profile_gives *g, cr_buf *out) {
    for (int i = 0; i < g->n_kernels; i++)
        if (!has_kernel(c, g->kernels[i]))
            cr_buf_addf(out, "    kernel %s is not installed here for everybody: it is shown only to people who have it\n", g->kernels[i]);
}

static void describe_memory(uint64_t bytes, uint64_t machine, cr_buf *out) {
    char a[16], b[16];
    if (machine && bytes > machine)
        cr_buf_addf(out, "    %s is more than this machine has (%s): the limit will never be reached\n", cr_text_bytes(bytes, a, sizeof a),
                    cr_text_bytes(machine, b, sizeof b));
}

void cr_profiles_describe(const cr_config *c, const cr_profile_set *set, cr_buf *out) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
    for (int i = 0; i < set->n; i++) {
        const cr_profile *p = &set->at[i];
        char memory[16];
        uint64_t bytes = p->gives.memory_bytes ? p->gives.memory_bytes : c->memory_bytes;
        cr_buf_addf(out, "  profile %s: %s, %s of memory, %d options, %s%s\n", p->slug, p->title, cr_text_bytes(bytes, memory, sizeof memory),
                    p->n_options, p->n_groups ? "for groups" : "for everybody", p->standard ? ", the default" : "");
        describe_memory(bytes, machine, out);
        describe_kernels(c, &p->gives, out);
        for (int k = 0; k < p->n_options; k++) {
            const cr_profile_option *o = &p->options[k];
            for (int n = 0; n < o->n_choices; n++) {
                describe_memory(o->choices[n].gives.memory_bytes, machine, out);
                describe_kernels(c, &o->choices[n].gives, out);
            }
        }
    }
}
