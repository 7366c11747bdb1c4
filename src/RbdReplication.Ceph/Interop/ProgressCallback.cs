using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>What librbd's calls that run for long tell of how far they are.</summary>
internal static unsafe class ProgressCallback
{
    /// <summary>A call of librbd, with the two arguments that it takes for that.</summary>
    public delegate int Call(delegate* unmanaged[Cdecl]<ulong, ulong, void*, int> progress, void* argument);

    /// <summary>Makes a call.</summary>
    /// <param name="goesOn">
    /// Gets the part that was begun with, from 0 to 1, on a thread of librbd, and says whether to go on; what it throws is lost, and the call goes on.
    /// </param>
    /// <param name="call">The call.</param>
    /// <returns>Its result: ECANCELED where it was not to go on and librbd asks for that.</returns>
    public static long Run(Func<double, bool> goesOn, Call call)
    {
        var target = GCHandle.Alloc(goesOn);
        try
        {
            return call(&OnProgress, (void*)GCHandle.ToIntPtr(target));
        }
        finally
        {
            target.Free();
        }
    }

    // librbd ends with what this answers, if that is negative (16.2 to 20.2).
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnProgress(ulong done, ulong total, void* target)
    {
        try
        {
            return ((Func<double, bool>)GCHandle.FromIntPtr((nint)target).Target!)(total == 0 ? 1 : (double)done / total) ? 0 : -(int)Errno.ECANCELED;
        }
        catch (Exception)
        {
            // In C it would end the process, and the work is none the worse for a listener that fails.
            return 0;
        }
    }
}
