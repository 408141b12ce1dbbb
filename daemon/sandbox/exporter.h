/* The sandbox of podlogin-exporter, which opens no file once it has read its configuration. */
#ifndef SANDBOX_EXPORTER_H
#define SANDBOX_EXPORTER_H

/* Confines the process, after it listens and before it starts threads. */
void sandbox_exporter(void);

#endif
