namespace RbdReplication.Ceph;

/// <summary>A call into librados or librbd failed.</summary>
public sealed class CephException : Exception
{
    /// <summary>Describes a failed call.</summary>
    /// <param name="errno">What it returned, as a positive number.</param>
    /// <param name="function">The C function, for example <c>rbd_mirror_image_promote</c>.</param>
    /// <param name="subject">What it was called on, for example <c>replicapool/csi-vol-1</c>.</param>
    /// <param name="detail">Text from the cluster, where it gave one.</param>
    public CephException(Errno errno, string function, string subject, string? detail = null)
        : base($"{function}({subject}): {errno}{(Enum.IsDefined(errno) ? $" ({(int)errno})" : "")}{(string.IsNullOrEmpty(detail) ? "" : $": {detail}")}")
    {
        Errno = errno;
        Function = function;
        Subject = subject;
        Detail = detail;
    }

    /// <summary>The error number.</summary>
    public Errno Errno { get; }

    /// <summary>Name of the C function that failed.</summary>
    public string Function { get; }

    /// <summary>The pool, image or object it was called on.</summary>
    public string Subject { get; }

    /// <summary>The cluster's own words, if any; never holds key material.</summary>
    public string? Detail { get; }
}
