using System.Text;

namespace RbdReplication.Ceph.Interop;

/// <summary>Commands to daemons: JSON in, two texts out that librados allocates.</summary>
internal static unsafe class JsonCommand
{
    /// <summary>What <c>rados_mon_command</c> and <c>rados_mgr_command</c> have in common.</summary>
    public delegate int Call(
        byte** command, nuint commandLength, byte* input, nuint inputLength, byte** output, nuint* outputLength, byte** status, nuint* statusLength);

    /// <summary>Sends a command.</summary>
    /// <param name="json">The command, one JSON object.</param>
    /// <param name="call">The function.</param>
    /// <param name="output">What it gives back.</param>
    /// <param name="status">The daemon's words.</param>
    /// <returns>The function's result.</returns>
    public static long Run(string json, Call call, out string output, out string status)
    {
        byte* outputText = null, statusText = null;
        nuint outputLength = 0, statusLength = 0;
        fixed (byte* text = Encoding.UTF8.GetBytes(json + '\0'))
        {
            var command = text;
            var result = call(&command, 1, null, 0, &outputText, &outputLength, &statusText, &statusLength);
            output = Take(outputText, outputLength);
            status = Take(statusText, statusLength);
            return result;
        }
    }

    private static string Take(byte* text, nuint length)
    {
        if (text == null)
            return "";
        var result = Encoding.UTF8.GetString(text, (int)length);
        Librados.BufferFree(text);
        return result;
    }
}
