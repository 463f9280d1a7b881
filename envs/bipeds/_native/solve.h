#include <math.h>

/* Solve a x = b for `width` right sides, in place, by elimination with row pivots; `a` is destroyed. Where `a` is
   singular, some of x is not finite. */
static void solve(double *a, double *b, int size, int width)
{
    for (int k = 0; k < size; k++) {
        int pivot = k;
        for (int i = k + 1; i < size; i++)
            if (fabs(a[i * size + k]) > fabs(a[pivot * size + k])) pivot = i;
        for (int j = 0; j < size && pivot != k; j++) {
            double kept = a[k * size + j];
            a[k * size + j] = a[pivot * size + j], a[pivot * size + j] = kept;
        }
        for (int j = 0; j < width && pivot != k; j++) {
            double kept = b[k * width + j];
            b[k * width + j] = b[pivot * width + j], b[pivot * width + j] = kept;
        }
        double inverse = 1 / a[k * size + k];
        for (int j = k; j < size; j++) a[k * size + j] *= inverse;
        for (int j = 0; j < width; j++) b[k * width + j] *= inverse;
        for (int i = 0; i < size; i++) {
            double share = a[i * size + k];
            if (i == k || share == 0) continue;
            for (int j = k; j < size; j++) a[i * size + j] -= share * a[k * size + j];
            for (int j = 0; j < width; j++) b[i * width + j] -= share * b[k * width + j];
        }
    }
}
