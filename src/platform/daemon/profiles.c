/* profiles.c - the file, and what --check says about it. */
#include "platform/daemon/profiles.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include "base/text.h"
#include "platform/daemon/settings_folder.h"
#include "platform/runner/software.h"

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

static const char *advice(const char *kernel) {
    if (strcmp(kernel, "ir") == 0)
        return "; install R's with: ./up --with r";
    if (cr_starts_with(kernel, "julia"))
        return "; Julia's comes with Julia and its package IJulia, see docs/profiles.md";
    return "";
}

static void describe_kernels(const cr_config *c, const cr_profile_set *set, const cr_profile_gives *g, cr_buf *out) {
    char name[CR_KERNEL_NAME_MAX + 1];
    for (int i = 0; i < g->n_kernels; i++) {
        if (cr_profile_software(set, g->kernels[i]))
            continue;
        if (!cr_kernel_find(c, g->kernels[i], name))
            cr_buf_addf(out, "    kernel %s is not installed here for everybody: it is shown only to people who have it%s\n", g->kernels[i], advice(g->kernels[i]));
        else if (strcmp(name, g->kernels[i]) != 0)
            cr_buf_addf(out, "    kernel %s is %s\n", g->kernels[i], name);
    }
}

static void describe_software(const cr_software *w, cr_buf *out) {
    char prefix[PATH_MAX], python[CR_VERSION_MAX];
    cr_err err = CR_ERR_INIT;
    cr_buf_addf(out, "  software %s: %s, %s, %s\n", w->slug, w->title, w->prefix, w->whole ? "for whole servers" : "for kernels");
    if (cr_software_open(w, prefix, &err) != CR_OK) {
        cr_buf_addf(out, "    %s. Servers with it do not start.\n", err.message);
        return;
    }
    cr_software_python(prefix, python);
    cr_buf_addf(out, "    Python %s\n", python);
    if (cr_software_open_dask(w, prefix, &err) != CR_OK)
        cr_buf_addf(out, "    no Dask clusters with it: %s\n", err.message);
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
    for (int i = 0; i < set->n_software; i++)
        describe_software(&set->software[i], out);
    for (int i = 0; i < set->n; i++) {
        const cr_profile *p = &set->at[i];
        char memory[16];
        uint64_t bytes = p->gives.memory_bytes ? p->gives.memory_bytes : c->memory_bytes;
        cr_buf_addf(out, "  profile %s: %s, %s of memory, %d options, %s%s\n", p->slug, p->title.text, cr_text_bytes(bytes, memory, sizeof memory),
                    p->n_options, p->n_groups ? "for groups" : "for everybody", p->standard ? ", the default" : "");
        describe_memory(bytes, machine, out);
        describe_kernels(c, set, &p->gives, out);
        for (int k = 0; k < p->n_options; k++) {
            const cr_profile_option *o = &p->options[k];
            for (int n = 0; n < o->n_choices; n++) {
                describe_memory(o->choices[n].gives.memory_bytes, machine, out);
                describe_kernels(c, set, &o->choices[n].gives, out);
            }
        }
    }
}
