/* software.h - software environments of the operator's (profile.h): can they be used, what is in them, and the kernel that is made for one.
 *
 * The helper runs nothing of an environment to learn about it: it looks at names of folders. What it starts from one runs as the person.
 * All that leads to the programs, and the folders of programs and modules, must be root's (without root: one's own) and writable by nobody else:
 * otherwise whoever may write there would run programs as everybody who chooses the profile. What lies in these folders is not looked at one by one.
 *
 * Files and folders only; any thread. Paths have PATH_MAX bytes.
 */
#ifndef CR_PLATFORM_RUNNER_SOFTWARE_H
#define CR_PLATFORM_RUNNER_SOFTWARE_H

#include "platform/daemon/config.h"
#include "platform/runner/profile.h"

enum { CR_VERSION_MAX = 32 };

/* Python's minor version ("3.11") of the environment by its folders, "" when there is none; and the version of a package in it. */
void cr_software_python(const char *prefix, char out[CR_VERSION_MAX]);
void cr_software_package(const char *prefix, const char *python, const char *package, char out[CR_VERSION_MAX]);

/* Where the environment really lies. CR_NO_FILE, CR_DENIED, CR_INVALID: a sentence that says what is wrong with it, for people. */
cr_status cr_software_open(const cr_software *w, char *ret_prefix, cr_err *err) CR_MUST_USE;
/* The same for processes of Dask clusters: it must have what they run. */
cr_status cr_software_open_dask(const cr_software *w, char *ret_prefix, cr_err *err) CR_MUST_USE;

/* RUN/software/SLUG, for JUPYTER_PATH: the kernel SLUG of the environment, in which Gateway() asks for clusters of the same. Written anew
 * when it is not as it should be. */
cr_status cr_software_kernel(const cr_config *c, const cr_software *w, const char *prefix, char *ret_jupyter_path, cr_err *err) CR_MUST_USE;
/* DASK_GATEWAY__CLUSTER__OPTIONS of what runs in that environment. */
char *cr_software_options(const char *slug, char *buf, size_t size);
bool cr_software_is_conda(const char *prefix);

/* The kernel of that name that is installed for everybody; of `julia` the newest julia-VERSION. False: none, and out is the name. */
enum { CR_KERNEL_NAME_MAX = 64 };
bool cr_kernel_find(const cr_config *c, const char *name, char out[CR_KERNEL_NAME_MAX + 1]);

#endif
