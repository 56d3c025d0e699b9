// Grid lines are behind what is drawn, labels beside it.
#include "tools/report/svg_frame.h"

#include <cmath>
#include <utility>

#include "engine/check.h"
#include "engine/printed.h"
#include "tools/report/template.h"

namespace md {
namespace {

/// Of a value between the ends of an axis, 0 to 1.
double part_of(const SvgAxis& axis, double value) {
  if (!axis.log) return (value - axis.range.low) / (axis.range.high - axis.range.low);
  return std::log(value / axis.range.low) / std::log(axis.range.high / axis.range.low);
}

double step_of(const std::vector<double>& ticks) { return ticks.size() > 1 ? ticks[1] - ticks[0] : 1; }

std::string text(double x, double y, const std::string& attributes, const std::string& what) {
  return cat("<text x=\"", svg_number(x), "\" y=\"", svg_number(y), "\" ", attributes, ">", escape_html(what),
             "</text>");
}

}  // namespace

std::string tick_text(const SvgAxis& axis, std::size_t i) {
  if (!axis.labels.empty()) return axis.labels[i];
  return axis.log ? short_number(axis.ticks[i]) : tick_label(axis.ticks[i], step_of(axis.ticks));
}

std::string svg_number(double value) {
  std::string text = printed("%.1f", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

SvgFrame::SvgFrame(std::string title, std::string description, SvgAxis x, SvgAxis y, const SvgLayout& layout)
    : title_(std::move(title)),
      description_(std::move(description)),
      x_(std::move(x)),
      y_(std::move(y)),
      layout_(layout) {}

double SvgFrame::x(double value) const {
  return layout_.left + part_of(x_, value) * (layout_.width - layout_.left - layout_.right);
}

double SvgFrame::y(double value) const {
  return layout_.height - layout_.bottom - part_of(y_, value) * (layout_.height - layout_.top - layout_.bottom);
}

std::string SvgFrame::axes() const {
  const double left = layout_.left, right = layout_.width - layout_.right, bottom = layout_.height - layout_.bottom;
  std::string all;
  for (std::size_t i = 0; i < y_.ticks.size(); ++i) {
    const double at = y(y_.ticks[i]);
    all += cat("<path class=\"grid\" d=\"M", svg_number(left), " ", svg_number(at), "H", svg_number(right), "\"/>");
    all += text(left - 6, at + 3.5, "class=\"tick end\"", tick_text(y_, i));
  }
  for (std::size_t i = 0; i < x_.ticks.size(); ++i) {
    const double at = x(x_.ticks[i]);
    if (x_.labels.empty()) all += cat("<path class=\"axis\" d=\"M", svg_number(at), " ", svg_number(bottom), "v4\"/>");
    all += text(at, bottom + 16, "class=\"tick middle\"", tick_text(x_, i));
  }
  all += cat("<path class=\"axis\" d=\"M", svg_number(left), " ", svg_number(bottom), "H", svg_number(right), "\"/>");
  all += text((left + right) / 2, layout_.height - 6, "class=\"title middle\"", x_.title);
  const double middle = (layout_.top + bottom) / 2;
  return all + text(11, middle, cat("class=\"title middle\" transform=\"rotate(-90 11 ", svg_number(middle), ")\""),
                    y_.title);
}

std::string SvgFrame::finish() const {
  return cat("<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", svg_number(layout_.width), " ",
             svg_number(layout_.height), "\" role=\"img\" aria-label=\"", escape_html(title_), ". ",
             escape_html(description_), "\"><title>", escape_html(title_), "</title>", axes(), inside_, "</svg>");
}

}  // namespace md
