/** What the C++ tests of the plugin's parts have in common: a program that exits with 1 if anything was not as expected. */
#pragma once

#include <iostream>
#include <string>

inline int failures = 0;

/** Says what was not so. */
inline void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::cout << "not so: " << what << std::endl;
  failures += 1;
}

inline int result() { return failures == 0 ? 0 : 1; }
