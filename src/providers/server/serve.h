/* Between the files of this folder: the process behind a SERVER resource. */
#pragma once

#include <glib.h>

typedef enum { LW_ANSWER_ECHO, LW_ANSWER_ADDRESS, LW_ANSWER_DISCARD } LwAnswer;

typedef struct {
  gboolean udp;
  guint16 port;
  LwAnswer answer;
  int fd; /* -1 until bound */
} LwListener;

/* "tcp/445/echo" */
gboolean lw_listener_parse(const char *text, LwListener *out, GError **error);
/* Binds on every address of the network namespace we are in. */
gboolean lw_listener_bind(LwListener *listener, GError **error);
/* Answers for ever. */
void lw_serve(LwListener *listeners, guint count) G_GNUC_NORETURN;
