/* What ps(1) shows of a process that was forked from us and never execs. */
#pragma once

/* As much of the title as the command line that we were started with has room for. The strings of argv are
 * overwritten: only for processes that have no more use for them. */
void lw_process_set_title(const char *title);
