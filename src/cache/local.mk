# files of src/cache
