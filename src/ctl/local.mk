# files of src/ctl
