# What a build against ROS 2 wheels needs on top of an ordinary one.

# Built by pip: the wheels' CMake packages live under the prefix that holds rosidl_adapter. A macro, since
# CMAKE_PREFIX_PATH and what find_package sets belong to the caller.
macro(find_ros_wheels)
  find_package(Python3 REQUIRED COMPONENTS Interpreter Development NumPy)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c "import pathlib, rosidl_adapter as r; print(pathlib.Path(r.__file__).resolve().parents[4].as_posix())"
    OUTPUT_VARIABLE ros_prefix OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  list(PREPEND CMAKE_PREFIX_PATH ${ros_prefix})
  # The generators look for packages and type supports through the ament index.
  set(ENV{AMENT_PREFIX_PATH} ${ros_prefix})
endmacro()

# Imported targets of the wheels name an include directory that exists only on the machine that built them;
# CMake refuses to use such a target, so the missing directories are dropped. With a full ROS 2 nothing is missing.
function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(present)
    foreach(directory IN LISTS directories)
      if(directory MATCHES "^\\$<" OR EXISTS "${directory}")
        list(APPEND present "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${present}")
  endforeach()
endfunction()
