"""Report of data as one HTML page: the verdict and what to do first, then pictures, then examples."""
