/* XML, as the Query protocol of AWS answers with. */
#ifndef STANDIN_AWS_XML_H
#define STANDIN_AWS_XML_H

/* Returns @text with the five special characters as references. The caller frees it. */
char *xml_escape(const char *text);

#endif
