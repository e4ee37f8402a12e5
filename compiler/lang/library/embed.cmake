# Writes OUTPUT, a C++ file that holds the text of each file in FILES: cmake -DOUTPUT=.. -DFILES=.. -P embed.cmake
set(text "// The standard library as text; made from compiler/lang/library/*.grad.\n#include \"lang/model.h\"\n\nnamespace gradus::lang {\n\nstd::vector<LibraryFile> library_files() {\n  return {\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} body)
  string(APPEND text "      {\"${name}\", R\"__grad__(${body})__grad__\"},\n")
endforeach()
string(APPEND text "  };\n}\n\n}  // namespace gradus::lang\n")
file(WRITE ${OUTPUT} "${text}")
