# files of src/bus
