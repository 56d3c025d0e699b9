// Most sections are about evaluations.
#include "tools/report/report_subject.h"

namespace md {

std::vector<const ReportSubject*> evaluated_subjects(const std::vector<ReportSubject>& subjects) {
  std::vector<const ReportSubject*> found;
  for (const ReportSubject& subject : subjects) {
    if (subject.evaluated) found.push_back(&subject);
  }
  return found;
}

}  // namespace md
