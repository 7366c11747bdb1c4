namespace RbdReplication.Ceph;

/// <summary>
/// Linux error numbers that librados and librbd return (negated). Values are those of x86-64 and arm64;
/// numbers without a name here keep their value.
/// </summary>
public enum Errno
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>Operation not permitted.</summary>
    EPERM = 1,

    /// <summary>No such image, pool, object, key or Ceph user.</summary>
    ENOENT = 2,

    /// <summary>Input or output error; Ceph also answers this to a key that it cannot parse.</summary>
    EIO = 5,

    /// <summary>Not ready yet: the manager's module is starting.</summary>
    EAGAIN = 11,

    /// <summary>Out of memory.</summary>
    ENOMEM = 12,

    /// <summary>Wrong key or missing capability.</summary>
    EACCES = 13,

    /// <summary>Busy: on promote, the peer still owns the image.</summary>
    EBUSY = 16,

    /// <summary>Already there.</summary>
    EEXIST = 17,

    /// <summary>Invalid argument, and librbd's word for "not in the right state".</summary>
    EINVAL = 22,

    /// <summary>No room: the pool is full because an OSD is.</summary>
    ENOSPC = 28,

    /// <summary>Read-only: the image is a secondary, or somebody holds its lock.</summary>
    EROFS = 30,

    /// <summary>The buffer is too small.</summary>
    ERANGE = 34,

    /// <summary>Not empty: the image still has snapshots.</summary>
    ENOTEMPTY = 39,

    /// <summary>Begun again by librbd where it could be: it has lost the image's exclusive lock.</summary>
    ERESTART = 85,

    /// <summary>Not supported; the manager's module is not loaded yet.</summary>
    EOPNOTSUPP = 95,

    /// <summary>Not connected.</summary>
    ENOTCONN = 107,

    /// <summary>Shut down: the monitors have blocklisted this client.</summary>
    ESHUTDOWN = 108,

    /// <summary>Timed out.</summary>
    ETIMEDOUT = 110,

    /// <summary>No room: the pool has reached its quota.</summary>
    EDQUOT = 122,

    /// <summary>A comparison in a write operation did not hold.</summary>
    ECANCELED = 125,
}
