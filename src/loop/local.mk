# files of src/loop
